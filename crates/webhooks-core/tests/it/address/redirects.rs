//! An allowed receiver that points elsewhere.

use std::sync::Arc;

use webhooks_core::AddressPolicy;

use crate::{
    address::{
        sender::{Names, Outcome, Sender},
        sentinel::{NO_CONTENT, Sentinel},
    },
    each_store::Store,
};

async fn a_redirect_is_an_answer_and_is_never_followed(store: Store) {
    let sentinel = Sentinel::start(NO_CONTENT).await;
    // Loopback is allowed here, so that nothing but the missing redirect keeps the sentinel lonely.
    let policy = AddressPolicy::default()
        .allow_networks(["127.0.0.0/8", "::1"])
        .unwrap();
    let names = Names::new(&[("receiver.example", &["127.0.0.1"])]);
    let sender = Sender::on(store, policy, Arc::clone(&names) as _).await;
    for status in [300, 301, 302, 303, 305, 307, 308] {
        for host in ["127.0.0.1", "[::1]", "receiver.example"] {
            let target = format!("http://{host}:{}/", sentinel.port);
            let receiver = Sentinel::start(format!(
                "HTTP/1.1 {status} Elsewhere\r\nlocation: {target}\r\nrefresh: 0; url={target}\r\n\
                 content-length: 0\r\nconnection: close\r\n\r\n"
            ))
            .await;
            for receiver_host in ["127.0.0.1", "receiver.example"] {
                let url = format!("http://{receiver_host}:{}/", receiver.port);
                match sender.attempt(&url).await {
                    Outcome::Answered(answered) => assert_eq!(answered, status),
                    outcome => panic!("{url}: {outcome:?}"),
                }
            }
            assert_eq!(receiver.visits(), 2);
        }
    }
    assert_eq!(sentinel.visits(), 0);
}

for_each_store!(a_redirect_is_an_answer_and_is_never_followed);
