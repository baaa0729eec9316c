//! Limits of sizes and files: what is too large is refused on both sides, and files that run out are said to.

use bytes::Bytes;
use raskr_cluster::{Address, CommError, Limits, Role};

use crate::support::{SHORT, addresses, endpoint, listen, meet, pair, token, with};

#[tokio::test]
async fn messages_beyond_the_limits_are_not_sent_and_the_connection_lives_on() {
    for address in addresses() {
        let limits = Limits { header_bytes_max: 1000, message_bytes_max: 100_000 };
        let ((sender, _receiver), (_back, mut other)) = pair(&address, |options| options.limits = limits).await;
        let error = sender.send(&1, vec![Bytes::from(vec![0; 100_001])]).await.expect_err("too large");
        assert!(matches!(error, CommError::TooLarge { what: "buffers", limit: 100_000, .. }), "{error:?}");
        let error = sender.send(&1, vec![Bytes::new(); 200]).await.expect_err("too large");
        assert!(matches!(error, CommError::TooLarge { what: "header", limit: 1000, .. }), "{error:?}");
        sender.send(&2, vec![Bytes::from(vec![0; 99_000])]).await.expect("sent");
        assert_eq!(other.recv().await.expect("received").expect("open").header, 2);
    }
}

#[tokio::test]
async fn messages_beyond_the_limits_are_refused_when_they_come() {
    for address in &addresses()[..3] {
        let token = token();
        let client = endpoint(Role::Client, &token);
        let server = with(endpoint(Role::Scheduler, &token), |options| {
            options.limits = Limits { header_bytes_max: 1000, message_bytes_max: 100_000 };
        });
        let (one, two) = meet(&client, &server, address).await;
        let (sender, _receiver) = one.split::<u64, u64>();
        let (_back, mut other) = two.split::<u64, u64>();
        sender.send(&1, vec![Bytes::from(vec![0; 100_001])]).await.expect("queued");
        let error = other.recv().await.expect_err("refused");
        assert!(matches!(error, CommError::Oversized { what: "buffers", limit: 100_000, .. }), "{error:?}");
        assert!(error.to_string().contains("at most 100000 are accepted"), "{error}");
    }
}

/// Runs the test that called it in a process of its own with few files; true within that process.
fn with_few_files(test: &str, files: u64) -> bool {
    const VARIABLE: &str = "RASKR_TEST_FEW_FILES";
    if std::env::var_os(VARIABLE).is_some() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = Rlimit { current: Some(files), maximum: getrlimit(Resource::Nofile).maximum };
        setrlimit(Resource::Nofile, limit).expect("limited");
        return true;
    }
    let child = std::process::Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", test, "--nocapture"])
        .env(VARIABLE, "1")
        .output()
        .expect("ran");
    let text = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
    false
}

#[test]
fn without_files_errors_say_so_and_a_listener_recovers() {
    if !with_few_files("limits::without_files_errors_say_so_and_a_listener_recovers", 48) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let token = token();
        let server = endpoint(Role::Scheduler, &token);
        let client = with(endpoint(Role::Client, &token), |options| options.connect_timeout /= 5);
        let mut listener = listen(&server, &Address::loopback()).await;
        let mut strangers = Vec::new();
        let error = loop {
            match client.connect(listener.address()).await {
                Ok(connection) => strangers.push(connection),
                Err(error) => break error,
            }
        };
        // Either this process had no file left to connect with, or the other end none to accept with.
        let said = match &error {
            CommError::Files { limit: 48, .. } => error.to_string().contains("raise it with ulimit -n"),
            CommError::Mute { .. } | CommError::Foreign { .. } | CommError::Lost { .. } => true,
            _ => false,
        };
        assert!(said && strangers.len() >= 10, "{error:?} after {}", strangers.len());
        drop(strangers);
        while let Ok(accepted) = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await {
            drop(accepted.expect("accepted"));
        }
        let again = async {
            loop {
                match client.connect(listener.address()).await {
                    Ok(connection) => break connection,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        drop(tokio::time::timeout(SHORT, again).await.expect("connected again"));
    });
}
