//! The statements that the guide's chapters on Postgres show, on the tables as they are.

use scratch_postgres::Database;
use webhooks_core::Webhooks;

const CHAPTERS: [&str; 2] = [
    include_str!("../../../guide/postgres.md"),
    include_str!("../../../guide/operating_postgres.md"),
];

#[tokio::test]
async fn every_statement_of_the_guide_runs_on_the_tables_as_they_are() {
    let database = Database::create().unwrap();
    let webhooks = Webhooks::open(database.url()).await.unwrap();
    let mut ran = 0;
    for chapter in CHAPTERS {
        for block in chapter.split("```sql\n").skip(1) {
            let statements = block.split("```").next().unwrap();
            for statement in statements.split_inclusive(';') {
                if !statement.trim().is_empty() {
                    database.query(statement).unwrap();
                    ran += 1;
                }
            }
        }
    }
    assert!(ran >= 6, "{ran} statements were found");
    drop(webhooks);
}
