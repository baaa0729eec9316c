//! What holds whatever carries a connection: order, wholeness, back-pressure, closing and aborting.

use std::time::Duration;

use bytes::Bytes;
use raskr_cluster::{Address, CommError, Message, Role};

use crate::support::{SHORT, addresses, endpoint, listen, meet, pair, socket_path, token, unique};

fn pattern(len: usize, seed: u64) -> Bytes {
    (0..len as u64).map(|i| (i.wrapping_mul(31) ^ seed) as u8).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn peers_know_each_other_and_where_they_listen() {
    for address in addresses() {
        let token = token();
        let (client, server) = (endpoint(Role::Worker, &token), endpoint(Role::Scheduler, &token));
        let mut listener = listen(&server, &address).await;
        let bound = listener.address().clone();
        assert_eq!(listener.contact(), bound);
        if let Some(host) = bound.host() {
            assert_ne!(host.port, 0);
        }
        let (one, two) = tokio::join!(client.connect(&bound), listener.accept());
        let (one, two) = (one.expect("connected"), two.expect("accepted"));
        assert_eq!((one.peer().role, &one.peer().address), (Role::Scheduler, &bound));
        assert_eq!((two.peer().role, two.peer().pid), (Role::Worker, std::process::id()));
        assert_eq!(one.peer().machine, raskr_cluster::machine_id());
    }
}

#[tokio::test]
async fn messages_arrive_whole_and_in_order_both_ways() {
    for address in addresses() {
        let ((sender, mut receiver), (back, mut other)) = pair(&address, |_| ()).await;
        let sends = async {
            for number in 0..2000u64 {
                let buffers = match number % 50 {
                    0 => vec![pattern(300_000, number), Bytes::new(), pattern(5, number)],
                    1 => vec![pattern(3000, number)],
                    _ => vec![],
                };
                sender.send(&number, buffers).await.expect("sent");
            }
        };
        let answers = async {
            for number in 0..2000u64 {
                let message = other.recv().await.expect("received").expect("open");
                assert_eq!(message.header, number);
                let lengths: Vec<usize> = message.buffers.iter().map(Bytes::len).collect();
                assert_eq!(lengths, [[300_000, 0, 5].as_slice(), &[3000], &[]][(number % 50).min(2) as usize]);
                for buffer in &message.buffers {
                    assert_eq!(*buffer, pattern(buffer.len(), number));
                    let aligned = buffer.is_empty() || (buffer.as_ptr() as usize).is_multiple_of(64);
                    assert!(aligned || matches!(address, Address::Inproc(_)));
                }
                back.send(&(number * 2), message.buffers).await.expect("sent");
            }
        };
        let reads = async {
            for number in 0..2000u64 {
                assert_eq!(receiver.recv().await.expect("received").expect("open").header, number * 2);
            }
        };
        tokio::join!(sends, answers, reads);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_senders_write_themselves_arrives_whole_and_in_order_among_what_is_queued() {
    for address in addresses() {
        let ((sender, _receiver), (_back, mut other)) = pair(&address, |_| ()).await;
        let count = 3000u64;
        let direct = sender.clone();
        // More than sockets take at once, so that messages are cut.
        let own = std::thread::spawn(move || {
            for number in 0..count {
                let mut buffers = vec![pattern(if number % 3 == 0 { 900 } else { 40_000 }, number)];
                while let Err(back) = direct.try_send_directly(&number, buffers).expect("open") {
                    buffers = back;
                    std::thread::yield_now();
                }
            }
        });
        let queued = tokio::spawn(async move {
            for number in 0..count {
                sender.send(&(1 << 32 | number), vec![pattern(100, number)]).await.expect("sent");
            }
        });
        let mut next = [0; 2];
        for _ in 0..2 * count {
            let message = other.recv().await.expect("received").expect("open");
            let (from, number) = ((message.header >> 32) as usize, message.header & 0xffff_ffff);
            assert_eq!(number, next[from], "{address}");
            next[from] += 1;
            assert_eq!(message.buffers[0], pattern(message.buffers[0].len(), number));
        }
        own.join().expect("sent");
        queued.await.expect("sent");
    }
}

#[tokio::test]
async fn large_buffers_arrive_over_every_transport_and_from_many_senders() {
    for address in addresses() {
        let ((sender, _receiver), (_back, mut other)) = pair(&address, |_| ()).await;
        let tasks: Vec<_> = (0..4u64)
            .map(|seed| {
                let sender = sender.clone();
                tokio::spawn(async move {
                    for _ in 0..4 {
                        let buffers = vec![pattern(5 << 20, seed), pattern(100, seed), pattern(1 << 20, seed + 1)];
                        sender.send(&seed, buffers).await.expect("sent");
                    }
                })
            })
            .collect();
        let mut counts = [0; 4];
        for _ in 0..16 {
            let Message { header, buffers } = other.recv().await.expect("received").expect("open");
            counts[header as usize] += 1;
            assert_eq!(buffers, [pattern(5 << 20, header), pattern(100, header), pattern(1 << 20, header + 1)]);
        }
        assert_eq!(counts, [4; 4]);
        for task in tasks {
            task.await.expect("done");
        }
    }
}

#[tokio::test]
async fn what_was_sent_before_closing_arrives_and_then_the_end() {
    for address in addresses() {
        for dropped in [false, true] {
            let ((sender, receiver), (back, mut other)) = pair(&address, |_| ()).await;
            for number in 0..100 {
                sender.send(&number, vec![pattern(50_000, number)]).await.expect("sent");
            }
            let reads = async {
                for number in 0..100 {
                    assert_eq!(other.recv().await.expect("received").expect("open").header, number);
                }
                assert_eq!(other.recv().await.expect("a clean end"), None);
                assert_eq!(other.recv().await.expect("a clean end"), None);
            };
            let closes = async {
                if dropped {
                    drop(sender);
                } else {
                    sender.close(SHORT).await.expect("closed");
                    assert!(matches!(sender.send(&1, vec![]).await, Err(CommError::Closed { .. })));
                    assert!(matches!(sender.try_send(&1, vec![]), Err(CommError::Closed { .. })));
                }
            };
            tokio::join!(reads, closes);
            drop(receiver);
            drop(back);
        }
    }
}

#[tokio::test]
async fn one_direction_closes_without_the_other() {
    for address in addresses() {
        let ((sender, mut receiver), (back, mut other)) = pair(&address, |_| ()).await;
        let (closed, ended) = tokio::join!(sender.close(SHORT), other.recv());
        closed.expect("closed");
        assert_eq!(ended.expect("a clean end"), None);
        back.send(&7, vec![]).await.expect("sent");
        assert_eq!(receiver.recv().await.expect("received").expect("open").header, 7);
    }
}

#[tokio::test]
async fn aborting_ends_both_sides_at_once() {
    for address in addresses() {
        let ((sender, mut receiver), (back, mut other)) = pair(&address, |_| ()).await;
        let waits = tokio::spawn(async move { receiver.recv().await });
        tokio::task::yield_now().await;
        sender.abort();
        assert!(matches!(waits.await.expect("joined"), Err(CommError::Closed { .. })));
        assert!(matches!(sender.send(&1, vec![]).await, Err(CommError::Closed { .. })));
        let error = other.recv().await.expect_err("lost");
        assert!(matches!(error, CommError::Lost { .. }), "{error:?}");
        assert_eq!(other.recv().await.expect_err("lost").to_string(), error.to_string(), "the same from then on");
        assert!(back.send(&1, vec![]).await.is_err(), "senders learn what the receiver found");
    }
}

#[tokio::test]
async fn dropping_the_receiver_closes_the_connection() {
    for address in addresses() {
        let ((sender, receiver), (back, mut other)) = pair(&address, |_| ()).await;
        sender.send(&1, vec![]).await.expect("sent");
        drop(receiver);
        assert_eq!(other.recv().await.expect("received").expect("open").header, 1);
        assert_eq!(other.recv().await.expect("a clean end"), None);
        assert!(matches!(sender.send(&2, vec![]).await, Err(CommError::Closed { .. })));
        drop((back, sender));
    }
}

#[tokio::test]
async fn a_full_queue_makes_senders_wait_by_bytes_and_by_messages() {
    for address in addresses() {
        for (bytes_max, messages_max, size) in [(1 << 20, 1_000_000, 10_000), (1 << 30, 50, 100_000)] {
            let ((sender, _receiver), (_back, mut other)) = pair(&address, |options| {
                options.queue_bytes_max = bytes_max;
                options.queue_messages_max = messages_max;
            })
            .await;
            // Nobody reads: the system's own buffers fill, then the queue.
            let mut queued = 0;
            let mut refused = 0;
            while refused < 100 {
                match sender.try_send(&queued, vec![pattern(size, queued)]).expect("open") {
                    Ok(()) => (queued, refused) = (queued + 1, 0),
                    Err(back) => {
                        assert_eq!(back, [pattern(size, queued)], "the buffers come back");
                        refused += 1;
                        tokio::task::yield_now().await;
                    }
                }
                assert!(sender.queued_bytes() <= bytes_max);
                assert!(queued < 10_000, "never full");
            }
            let waiting = sender.clone();
            let waits = tokio::spawn(async move { waiting.send(&queued, vec![pattern(size, queued)]).await });
            for number in 0..=queued {
                assert_eq!(other.recv().await.expect("received").expect("open").header, number);
            }
            waits.await.expect("joined").expect("sent");
        }
    }
}

#[tokio::test]
async fn a_message_larger_than_the_queue_goes_through_alone() {
    for address in addresses() {
        let ((sender, _receiver), (_back, mut other)) = pair(&address, |options| options.queue_bytes_max = 1000).await;
        let sends = tokio::spawn(async move {
            for number in 0..3 {
                sender.send(&number, vec![pattern(600_000, number)]).await.expect("sent");
            }
            sender
        });
        for number in 0..3 {
            let message = other.recv().await.expect("received").expect("open");
            assert_eq!((message.header, message.buffers), (number, vec![pattern(600_000, number)]));
        }
        sends.await.expect("sent");
    }
}

#[tokio::test]
async fn giving_up_waiting_for_a_message_loses_nothing() {
    let mut given_up_in_all = 0;
    for address in addresses() {
        let ((sender, _receiver), (_back, mut other)) = pair(&address, |_| ()).await;
        let sends = async {
            for number in 0..50 {
                sender.send(&number, vec![pattern(200_000, number)]).await.expect("sent");
                tokio::task::yield_now().await;
            }
        };
        let reads = async {
            let (mut number, mut given_up) = (0, 0u32);
            while number < 50 {
                tokio::select! {
                    biased;
                    message = other.recv() => {
                        let message = message.expect("received").expect("open");
                        assert_eq!((message.header, &message.buffers[0]), (number, &pattern(200_000, number)));
                        number += 1;
                    }
                    () = tokio::task::yield_now() => given_up += 1,
                }
            }
            given_up
        };
        let ((), given_up) = tokio::join!(sends, reads);
        given_up_in_all += given_up;
    }
    assert!(given_up_in_all > 0);
}

#[tokio::test]
async fn messages_that_have_come_are_taken_without_waiting() {
    for address in addresses() {
        let ((sender, _receiver), (_back, mut other)) = pair(&address, |_| ()).await;
        assert_eq!(other.recv_ready().expect("open"), None);
        for number in 0..10 {
            sender.send(&number, vec![]).await.expect("sent");
        }
        let mut numbers = vec![other.recv().await.expect("received").expect("open").header];
        while let Some(message) = other.recv_ready().expect("open") {
            numbers.push(message.header);
        }
        assert_eq!(numbers, Vec::from_iter(0..10), "all were sent together");
    }
}

#[tokio::test]
async fn within_a_process_buffers_are_handed_over_as_they_are() {
    let address = format!("inproc://{}", unique()).parse().expect("an address");
    let ((sender, _receiver), (_back, mut other)) = pair(&address, |_| ()).await;
    let buffer = pattern(1000, 1);
    sender.send(&1, vec![buffer.clone()]).await.expect("sent");
    let message = other.recv().await.expect("received").expect("open");
    assert_eq!(message.buffers[0].as_ptr(), buffer.as_ptr());
}

#[tokio::test]
async fn a_place_is_taken_until_its_listener_is_gone() {
    let server = endpoint(Role::Scheduler, &token());
    for address in addresses() {
        let listener = listen(&server, &address).await;
        let bound = listener.address().clone();
        let error = server.listen(&bound).await.err().expect("taken");
        assert!(matches!(error, CommError::InUse { .. }), "{error:?}");
        let pid = format!("{} is in use by pid {}", bound.place(), std::process::id());
        assert!(bound.host().is_none() || error.to_string().starts_with(&pid), "{error}");
        drop(listener);
        // The task that listens ends soon after.
        tokio::time::timeout(SHORT, async {
            while let Err(CommError::InUse { .. }) = server.listen(&bound).await {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("free again");
    }
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced() {
    let path = socket_path();
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
    assert!(path.exists());
    let token = token();
    let (client, server) = (endpoint(Role::Client, &token), endpoint(Role::Scheduler, &token));
    let address = Address::Unix(path.clone());
    let refused = client.connect(&address).await.err().expect("refused");
    assert!(matches!(refused, CommError::Refused { .. }), "{refused:?}");
    let (_one, _two) = meet(&client, &server, &address).await;
    assert!(!path.exists(), "it goes with its listener");
}

#[tokio::test]
async fn headers_that_do_not_fit_their_type_are_errors() {
    let address: Address = "tcp://127.0.0.1:0".parse().expect("an address");
    let token = token();
    let (client, server) = (endpoint(Role::Client, &token), endpoint(Role::Scheduler, &token));
    let (one, two) = meet(&client, &server, &address).await;
    let (sender, _receiver) = one.split::<(String, u8), ()>();
    let (_back, mut other) = two.split::<(), Vec<String>>();
    sender.send(&("text".into(), 1), vec![]).await.expect("sent");
    let error = other.recv().await.expect_err("malformed");
    assert!(matches!(&error, CommError::Malformed { .. }), "{error:?}");
    assert!(error.to_string().contains("sent what can't be read: a message header of"), "{error}");
}

#[test]
fn idle_connections_show_that_they_are_alive() {
    for address in addresses() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let ((_sender, mut receiver), (_back, mut other)) = pair(&address, |_| ()).await;
            tokio::time::pause();
            let both = async { tokio::join!(receiver.recv(), other.recv()) };
            let waited = tokio::time::timeout(Duration::from_secs(100), both).await;
            assert!(waited.is_err(), "{address}: neither a message nor an end");
            assert!(receiver.last_heard().elapsed() <= Duration::from_secs(2), "{:?}", receiver.last_heard().elapsed());
        });
    }
}

#[tokio::test]
async fn a_connection_that_nobody_took_up_closes() {
    for address in addresses() {
        let token = token();
        let (one, two) = meet(&endpoint(Role::Client, &token), &endpoint(Role::Scheduler, &token), &address).await;
        drop(one);
        let (_sender, mut receiver) = two.split::<u64, u64>();
        assert!(!matches!(receiver.recv().await, Ok(Some(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_senders_on_many_threads_lose_nothing_whatever_the_queue() {
    const SENDERS: u64 = 4;
    const MESSAGES: u64 = 300;
    for address in addresses() {
        let tasks: Vec<_> = (1..8usize)
            .map(|size| {
                let address = match &address {
                    Address::Unix(_) => Address::Unix(socket_path()),
                    Address::Inproc(_) => format!("inproc://{}", unique()).parse().expect("an address"),
                    other => other.clone(),
                };
                tokio::spawn(async move {
                    let ((sender, receiver), (_back, mut other)) = pair(&address, |options| {
                        (options.queue_messages_max, options.queue_bytes_max) = (size, 3000 * size);
                    })
                    .await;
                    for id in 0..SENDERS {
                        let sender = sender.clone();
                        tokio::spawn(async move {
                            for number in 0..MESSAGES {
                                let buffers = vec![pattern(number as usize * 10, id)];
                                sender.send(&(id << 32 | number), buffers).await.expect("sent");
                            }
                        });
                    }
                    drop(sender);
                    let mut next = [0; SENDERS as usize];
                    while let Some(message) = other.recv().await.expect("received") {
                        let (id, number) = (message.header >> 32, message.header & 0xffff_ffff);
                        assert_eq!(number, next[id as usize], "in order");
                        assert_eq!(message.buffers, [pattern(number as usize * 10, id)]);
                        next[id as usize] += 1;
                    }
                    assert_eq!(next, [MESSAGES; SENDERS as usize]);
                    drop(receiver);
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("done");
        }
    }
}
