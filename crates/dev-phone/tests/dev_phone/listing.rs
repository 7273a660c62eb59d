//! Listing: order, filters, pages.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::desk::{Desk, FROM, SID, TO, encoded, messages};

async fn list(desk: &Desk, query: &[(&str, &str)]) -> Value {
    get(desk, &format!("{}?{}", messages(".json"), encoded(query))).await
}

async fn get(desk: &Desk, uri: &str) -> Value {
    let answer = desk.call("GET", uri, &[]).await;
    assert_eq!(answer.status, 200, "{uri}: {}", answer.text);
    answer.json()
}

fn bodies(page: &Value) -> Vec<&str> {
    let texts = page["messages"].as_array().unwrap();
    texts
        .iter()
        .map(|text| text["body"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_page_has_exactly_twilios_keys() {
    let desk = Desk::new();
    let page = list(&desk, &[]).await;
    let keys: BTreeSet<&str> = page
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        BTreeSet::from([
            "first_page_uri",
            "next_page_uri",
            "previous_page_uri",
            "page",
            "page_size",
            "start",
            "end",
            "uri",
            "messages",
        ])
    );
    assert_eq!((&page["page"], &page["page_size"]), (&0.into(), &50.into()));
    assert_eq!((&page["start"], &page["end"]), (&0.into(), &0.into()));
    assert_eq!(page["next_page_uri"], Value::Null);
    assert_eq!(page["previous_page_uri"], Value::Null);
    assert_eq!(
        page["first_page_uri"],
        format!("/2010-04-01/Accounts/{SID}/Messages.json?PageSize=50&Page=0")
    );
}

#[tokio::test]
async fn pages_go_from_the_newest_to_the_oldest_and_back() {
    let desk = Desk::new();
    for body in ["1", "2", "3", "4", "5"] {
        desk.deliver(body).await;
    }
    let first = list(&desk, &[("PageSize", "2")]).await;
    assert_eq!(bodies(&first), ["5", "4"]);
    assert_eq!((&first["start"], &first["end"]), (&0.into(), &1.into()));
    // A text that arrives between two pages moves nothing.
    desk.deliver("6").await;
    let second = get(&desk, first["next_page_uri"].as_str().unwrap()).await;
    assert_eq!(bodies(&second), ["3", "2"]);
    assert_eq!(second["page"], 1);
    assert_eq!((&second["start"], &second["end"]), (&2.into(), &3.into()));
    assert_eq!(
        bodies(&get(&desk, second["uri"].as_str().unwrap()).await),
        ["3", "2"]
    );
    let third = get(&desk, second["next_page_uri"].as_str().unwrap()).await;
    assert_eq!(bodies(&third), ["1"]);
    assert_eq!(third["next_page_uri"], Value::Null);
    assert_eq!((&third["start"], &third["end"]), (&4.into(), &4.into()));
    let back = get(&desk, third["previous_page_uri"].as_str().unwrap()).await;
    assert_eq!(bodies(&back), ["3", "2"]);
    assert_eq!(back["page"], 1);
    let fresh = get(&desk, back["first_page_uri"].as_str().unwrap()).await;
    assert_eq!(bodies(&fresh), ["6", "5"]);
    assert_eq!(
        bodies(&list(&desk, &[("PageSize", "2"), ("Page", "2")]).await),
        ["2", "1"]
    );
}

#[tokio::test]
async fn filters_choose_by_number_and_pages_keep_them() {
    let desk = Desk::new();
    let other = "+15555550199";
    for (to, from, body) in [
        (TO, FROM, "a"),
        (other, FROM, "b"),
        (TO, "Weather", "c"),
        (TO, FROM, "d"),
    ] {
        desk.take(&[("To", to), ("From", from), ("Body", body)])
            .await;
    }
    for (query, expected) in [
        (vec![("To", other)], vec!["b"]),
        (vec![("From", "Weather")], vec!["c"]),
        (vec![("To", TO), ("From", FROM)], vec!["d", "a"]),
        (vec![("To", "+15555550111")], vec![]),
        (vec![("To", "")], vec!["d", "c", "b", "a"]),
    ] {
        assert_eq!(bodies(&list(&desk, &query).await), expected, "{query:?}");
    }
    let first = list(&desk, &[("From", FROM), ("To", TO), ("PageSize", "1")]).await;
    let second = get(&desk, first["next_page_uri"].as_str().unwrap()).await;
    assert_eq!((bodies(&first), bodies(&second)), (vec!["d"], vec!["a"]));
}

#[tokio::test]
async fn filters_choose_by_the_date_of_sending() {
    let desk = Desk::new();
    for time in [
        "2023-08-23T23:59:59Z",
        "2023-08-24T00:00:00Z",
        "2023-08-24T23:59:59Z",
        "2023-08-25T00:00:00Z",
    ] {
        desk.set_clock(time);
        desk.deliver(time).await;
    }
    desk.take(&[
        ("To", TO),
        ("MessagingServiceSid", "MG00000000000000000000000000000000"),
        ("Body", "not sent yet"),
        ("ScheduleType", "fixed"),
        ("SendAt", "2023-08-25T12:00:00Z"),
    ])
    .await;
    for (query, expected) in [
        (vec![("DateSent", "2023-08-24")], vec![2, 1]),
        (vec![("DateSent<", "2023-08-23")], vec![0]),
        (vec![("DateSent<", "2023-08-24")], vec![2, 1, 0]),
        (vec![("DateSent>", "2023-08-24")], vec![3, 2, 1]),
        (
            vec![("DateSent>", "2023-08-24"), ("DateSent<", "2023-08-24")],
            vec![2, 1],
        ),
        (vec![("DateSent>", "2023-08-24T23:59:59Z")], vec![3, 2]),
        (vec![("DateSent<", "2023-08-24T00:00:00Z")], vec![1, 0]),
        (vec![("DateSent", "2023-08-25T00:00:00Z")], vec![3]),
        (vec![("DateSent", "2023-08-24T00:00:00Z")], vec![2, 1]),
        (vec![("DateSent", "2022-01-01")], vec![]),
    ] {
        let times = [
            "2023-08-23T23:59:59Z",
            "2023-08-24T00:00:00Z",
            "2023-08-24T23:59:59Z",
            "2023-08-25T00:00:00Z",
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|index: usize| times[index])
            .collect();
        assert_eq!(bodies(&list(&desk, &query).await), expected, "{query:?}");
    }
}

#[tokio::test]
async fn wrong_parameters_are_refused_and_large_pages_are_cut() {
    let desk = Desk::new();
    for (name, value) in [
        ("PageSize", "0"),
        ("PageSize", "-1"),
        ("PageSize", "many"),
        ("Page", "x"),
        ("PageToken", "PASM"),
        ("PageToken", "XXSM00000000000000000000000000000001"),
        ("PageToken", "pß"),
        ("DateSent", "yesterday"),
    ] {
        let path = format!("{}?{}", messages(".json"), encoded(&[(name, value)]));
        let answer = desk.call("GET", &path, &[]).await;
        assert_eq!(answer.status, 400, "{name}={value}");
        assert_eq!(answer.json()["code"], 20001, "{name}={value}");
    }
    assert_eq!(
        list(&desk, &[("PageSize", "5000")]).await["page_size"],
        1000
    );
    let far = list(&desk, &[("Page", "18446744073709551615")]).await;
    assert!(bodies(&far).is_empty());
}
