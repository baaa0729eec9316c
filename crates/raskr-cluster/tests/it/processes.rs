//! Connections between real processes, one of which is killed, stopped or woken again.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use raskr_cluster::{Address, CommError, Endpoint, Options, Receiver, Role, Security, Sender, TOKEN_VARIABLE, Token};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::support::{endpoint, listen, token, with};

/// Where the other process of a test connects to.
const VARIABLE: &str = "RASKR_TEST_PEER";

/// A process that answers what it is sent; killed when the test is done with it.
struct Other(Child);

impl Other {
    fn start(address: &Address, token: &Token) -> Other {
        let child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "processes::the_other_process", "--nocapture"])
            .env(VARIABLE, address.to_string())
            .env(TOKEN_VARIABLE, token.reveal())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        Other(child)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.0.id().try_into().expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("signalled");
        if signal == Signal::STOP {
            let status = waitpid(Some(pid), WaitOptions::UNTRACED).expect("waited").expect("a status").1;
            assert!(status.stopped());
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The body of the other process; alone it checks that there is nothing to do without an address.
#[tokio::test]
async fn the_other_process() {
    let Ok(address) = std::env::var(VARIABLE) else {
        assert!(std::env::var_os(TOKEN_VARIABLE).is_none(), "tests run without a cluster's token");
        return;
    };
    let token = Token::from_environment().expect("a token").expect("set");
    let endpoint = Endpoint::new(Role::Worker, Security::new(token));
    let connection = endpoint.connect(&address.parse().expect("an address")).await.expect("connected");
    let (sender, mut receiver): (Sender<u64>, Receiver<u64>) = connection.split();
    while let Ok(Some(message)) = receiver.recv().await {
        sender.send(&(message.header + 1), message.buffers).await.expect("sent");
    }
}

async fn meet(address: &str, change: impl FnOnce(&mut Options)) -> (Other, Sender<u64>, Receiver<u64>) {
    let token = token();
    let mut listener =
        listen(&with(endpoint(Role::Scheduler, &token), change), &address.parse().expect("an address")).await;
    let other = Other::start(listener.address(), &token);
    let connection = listener.accept().await.expect("accepted");
    assert_eq!((connection.peer().pid, connection.peer().role), (other.0.id(), Role::Worker));
    let (sender, receiver) = connection.split();
    (other, sender, receiver)
}

#[tokio::test]
async fn a_killed_process_is_noticed_at_once() {
    for address in ["tcp://127.0.0.1:0", "tls://127.0.0.1:0"] {
        // The connection's end is what is noticed, not the silence.
        let (other, sender, mut receiver) = meet(address, |options| options.silence_max = None).await;
        sender.send(&1, vec![]).await.expect("sent");
        assert_eq!(receiver.recv().await.expect("received").expect("open").header, 2);
        other.signal(Signal::KILL);
        let error = receiver.recv().await.expect_err("lost");
        assert!(matches!(error, CommError::Lost { .. }), "{error:?}");
        assert!(sender.send(&1, vec![]).await.is_err());
    }
}

#[tokio::test]
async fn a_process_stopped_for_short_loses_nothing() {
    let (other, sender, mut receiver) = meet("tcp://127.0.0.1:0", |_| ()).await;
    other.signal(Signal::STOP);
    for number in 0..1000 {
        sender.send(&number, vec![vec![1; 1000].into()]).await.expect("sent");
    }
    let nothing = tokio::time::timeout(Duration::ZERO, receiver.recv()).await;
    assert!(nothing.is_err(), "it is stopped");
    other.signal(Signal::CONT);
    for number in 0..1000 {
        assert_eq!(receiver.recv().await.expect("received").expect("open").header, number + 1);
    }
}

#[tokio::test]
async fn a_stopped_process_is_given_up_after_the_silence_that_is_allowed() {
    let silence = Duration::from_secs(3);
    let (other, sender, mut receiver) = meet("tcp://127.0.0.1:0", |options| options.silence_max = Some(silence)).await;
    other.signal(Signal::STOP);
    let error = receiver.recv().await.expect_err("given up");
    assert!(matches!(error, CommError::Silent { silent, .. } if silent == silence), "{error:?}");
    assert!(matches!(sender.send(&1, vec![]).await, Err(CommError::Silent { .. })));
    other.signal(Signal::CONT);
}
