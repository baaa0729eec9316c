//! Handshakes over pipes in memory: who is let in, what each side is told, and bytes made up or changed in between.

use proptest::prelude::*;
use tokio::io::duplex;

use super::*;
use crate::frame::tests::cases;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(future)
}

fn token() -> Token {
    Token::random().expect("random")
}

fn address() -> Address {
    "tcp://127.0.0.1:9".parse().expect("an address")
}

struct Side {
    address: Address,
    token: Token,
    versions: (u16, u16),
    binding: [u8; 32],
    role: Role,
}

impl Side {
    fn new(role: Role, token: &Token) -> Side {
        Side { address: address(), token: token.clone(), versions: (1, 1), binding: [0; 32], role }
    }

    fn greeting(&self) -> Greeting<'_> {
        Greeting {
            address: &self.address,
            token: &self.token,
            role: self.role,
            versions: self.versions,
            binding: self.binding,
        }
    }
}

/// What both sides make of each other, with bytes on the way from client to server, and back, changed at a place.
fn meet(
    client: &Side,
    server: &Side,
    damage: Option<(bool, usize, u8)>,
) -> (Result<Peer, CommError>, Result<Peer, CommError>) {
    run(async {
        let ((mut one, mut between_one), (mut between_two, mut two)) = (duplex(1 << 16), duplex(1 << 16));
        let proxy = async {
            let (mut from_client, mut to_client) = tokio::io::split(&mut between_one);
            let (mut from_server, mut to_server) = tokio::io::split(&mut between_two);
            let passed = |forth| damage.filter(|damage| damage.0 == forth).map(|(_, at, bits)| (at, bits));
            tokio::join!(
                pass(&mut from_client, &mut to_server, passed(true)),
                pass(&mut from_server, &mut to_client, passed(false)),
            );
        };
        let ends = async {
            let greetings = (client.greeting(), server.greeting());
            let as_client = async {
                let outcome = in_time(greetings.0.as_client(&mut one)).await;
                one.shutdown().await.expect("shut down");
                outcome
            };
            let as_server = async {
                let outcome = in_time(greetings.1.as_server(&mut two)).await;
                two.shutdown().await.expect("shut down");
                outcome
            };
            tokio::join!(as_client, as_server)
        };
        tokio::join!(ends, proxy).0
    })
}

/// The caller's deadline: a length that was changed may have both wait for the other.
async fn in_time(greeting: impl Future<Output = Result<Peer, CommError>>) -> Result<Peer, CommError> {
    let after = std::time::Duration::from_secs(10);
    let late = |_| Err(CommError::Mute { address: address(), after });
    tokio::time::timeout(after, greeting).await.unwrap_or_else(late)
}

async fn pass(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), damage: Option<(usize, u8)>) {
    let (mut bytes, mut passed) = ([0; 256], 0);
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if let Some((at, bits)) = damage
            && (passed..passed + read).contains(&at)
        {
            bytes[at - passed] ^= bits;
        }
        passed += read;
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[test]
fn those_with_the_token_learn_who_the_other_is() {
    let token = token();
    let (client, server) = meet(&Side::new(Role::Worker, &token), &Side::new(Role::Scheduler, &token), None);
    let (client, server) = (client.expect("let in"), server.expect("let in"));
    assert_eq!((client.role, server.role), (Role::Scheduler, Role::Worker));
    assert_eq!(
        (client.pid, client.protocol, client.raskr.as_str()),
        (std::process::id(), 1, env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn another_token_is_told_as_such_on_both_sides() {
    let (client, server) = meet(&Side::new(Role::Client, &token()), &Side::new(Role::Scheduler, &token()), None);
    for outcome in [client, server] {
        let error = outcome.expect_err("kept out");
        assert!(matches!(error, CommError::WrongToken { .. }), "{error:?}");
        assert!(error.to_string().contains("tcp://127.0.0.1:9: has another token"), "{error}");
    }
}

#[test]
fn a_proof_for_one_session_is_of_no_use_in_another() {
    let token = token();
    let (mut client, server) = (Side::new(Role::Client, &token), Side::new(Role::Scheduler, &token));
    client.binding = [1; 32];
    let (client, server) = meet(&client, &server, None);
    assert!(matches!(client, Err(CommError::WrongToken { .. })) && matches!(server, Err(CommError::WrongToken { .. })));
}

#[test]
fn versions_meet_at_the_newest_that_both_speak_or_the_error_names_them() {
    let token = token();
    let with = |role, versions| Side { versions, ..Side::new(role, &token) };
    for (ours, theirs, common) in [((1, 3), (2, 5), 3), ((2, 9), (1, 2), 2), ((4, 4), (1, 8), 4)] {
        let (client, server) = meet(&with(Role::Client, ours), &with(Role::Scheduler, theirs), None);
        assert_eq!((client.expect("let in").protocol, server.expect("let in").protocol), (common, common));
    }
    for (ours, theirs) in [((1, 1), (2, 3)), ((5, 6), (1, 4))] {
        let (client, server) = meet(&with(Role::Client, ours), &with(Role::Scheduler, theirs), None);
        let (client, server) = (client.expect_err("kept out"), server.expect_err("kept out"));
        assert!(matches!(&client, CommError::Version { their_range, .. } if *their_range == theirs), "{client:?}");
        assert!(matches!(&server, CommError::Version { their_range, .. } if *their_range == ours), "{server:?}");
        assert!(client.to_string().contains("install the same version"), "{client}");
    }
}

#[test]
fn nobody_in_between_can_talk_both_into_an_older_version() {
    let token = token();
    let (mut client, mut server) = (Side::new(Role::Client, &token), Side::new(Role::Scheduler, &token));
    (client.versions, server.versions) = ((1, 3), (1, 3));
    // The newest version stands at bytes 20 and 21; 3 becomes 1.
    for forth in [true, false] {
        let (client, server) = meet(&client, &server, Some((forth, 20, 2)));
        assert!(client.is_err() && server.is_err(), "{client:?} {server:?}");
    }
}

#[test]
fn other_protocols_are_recognised_at_their_first_bytes() {
    for (answer, speaks) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], Speaks::Http),
        (b"<!DOCTYPE HTML>\n", Speaks::Http),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Speaks::Ssh),
        (&[0x15, 3, 3, 0, 2, 2, 0x46], Speaks::Tls),
        (b"", Speaks::Nothing),
        (b"220 mail ready\r\n", Speaks::Unknown),
        (b"RASKR WIRE 9\r\n\r\n", Speaks::Unknown),
    ] {
        let token = token();
        let error = run(async {
            let (mut one, mut two) = duplex(1 << 16);
            two.write_all(answer).await.expect("written");
            two.shutdown().await.expect("shut down");
            Side::new(Role::Client, &token).greeting().as_client(&mut one).await.expect_err("kept out")
        });
        assert!(matches!(error, CommError::Foreign { speaks: found, .. } if found == speaks), "{answer:?}: {error:?}");
    }
}

#[test]
fn those_who_come_to_the_wrong_port_are_told_in_their_own_language() {
    for (asks, hears) in [
        (&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], &b"HTTP/1.1 400"[..]),
        (&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc], b"RASKR WIRE 1"),
    ] {
        let token = token();
        let answer = run(async {
            let (mut one, mut two) = duplex(1 << 16);
            one.write_all(asks).await.expect("written");
            let error = Side::new(Role::Scheduler, &token).greeting().as_server(&mut two).await;
            assert!(matches!(error, Err(CommError::Foreign { .. })));
            drop(two);
            let mut answer = Vec::new();
            one.read_to_end(&mut answer).await.expect("an answer");
            answer
        });
        assert!(answer.starts_with(hears), "{answer:?}");
    }
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn whatever_comes_before_the_proof_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), magic in any::<bool>()) {
        let token = token();
        for client in [true, false] {
            let outcome = run(async {
                let (mut one, mut two) = duplex(1 << 16);
                if magic {
                    one.write_all(&MAGIC).await.expect("written");
                }
                one.write_all(&bytes).await.expect("written");
                one.shutdown().await.expect("shut down");
                let side = Side::new(Role::Scheduler, &token);
                if client { side.greeting().as_client(&mut two).await } else { side.greeting().as_server(&mut two).await }
            });
            prop_assert!(outcome.is_err());
        }
    }

    #[test]
    fn a_byte_changed_before_the_proofs_keeps_both_out(forth in any::<bool>(), at in 0..96usize, bits in 1..=u8::MAX) {
        let token = token();
        let (client, server) = (Side::new(Role::Client, &token), Side::new(Role::Scheduler, &token));
        let (client, server) = meet(&client, &server, Some((forth, at, bits)));
        prop_assert!(client.is_err() && server.is_err(), "{:?} {:?}", client, server);
    }

    #[test]
    fn what_a_member_says_about_itself_may_be_damaged_too(forth in any::<bool>(), at in 96..200usize, bits in 1..=u8::MAX) {
        let token = token();
        let (client, server) = (Side::new(Role::Client, &token), Side::new(Role::Scheduler, &token));
        let (client, server) = meet(&client, &server, Some((forth, at, bits)));
        for error in [client, server].into_iter().filter_map(Result::err) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
