//! A test that is killed leaves no server and no data.

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use scratch_postgres::query;
use url::Url;

#[test]
fn the_server_of_a_process_that_is_killed_ends_with_its_data() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_scratch-postgres"))
        .args(["run", "sh", "-c", "echo $WEBHOOKS_TEST_POSTGRES; read _"])
        .env_remove("WEBHOOKS_TEST_POSTGRES")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(owner.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    let url = Url::parse(line.trim()).unwrap();
    let data = query(url.as_str(), "show data_directory").unwrap();
    let folder = std::path::Path::new(&data).parent().unwrap();
    assert!(folder.exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while folder.exists() {
        assert!(Instant::now() < deadline, "{} is left", folder.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    TcpStream::connect(("127.0.0.1", url.port().unwrap())).unwrap_err();
}
