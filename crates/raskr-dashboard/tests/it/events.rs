//! Live pages: what they are told, what they cost, and that one does not hold up others.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::{Events, TOKEN, connect, start};

/// Clocks of other threads are read a little later than they are waited for.
const PERIOD: Duration = Duration::from_millis(495);

#[test]
fn a_page_is_told_the_state_and_each_task_once() {
    let (dashboard, _source) = start();
    let mut events = Events::open(dashboard.address());
    let state = events.next_of("state");
    assert_eq!(state["workers"][0]["name"], "w0");
    assert_eq!(state["groups"][0]["name"], "group 0 </script>");
    let mut keys = Vec::new();
    while keys.len() < 3 {
        for list in events.next_of("tasks").as_array().expect("lists") {
            for span in list.as_array().expect("spans") {
                let field = |index: usize| span[index].clone();
                assert_eq!((field(0), field(1), field(2)), ("w0".into(), 0.into(), "<script>".into()));
                assert_eq!(span[4].as_f64().expect("stop") - span[3].as_f64().expect("start"), 0.5);
                keys.push(field(7).as_str().expect("a key").to_owned());
            }
        }
    }
    assert_eq!(&keys[..3], ["<script>-1", "<script>-2", "<script>-3"]);

    // Who comes later is told what was seen before.
    let mut late = Events::open(dashboard.address());
    let lists = late.next_of("tasks");
    assert_eq!(lists[0][0][7], "<script>-1");
}

#[test]
fn many_pages_cost_the_scheduler_as_much_as_one() {
    let (dashboard, source) = start();
    let mut pages: Vec<Events> = (0..20).map(|_| Events::open(dashboard.address())).collect();
    for _ in 0..4 {
        for page in &mut pages {
            page.next_of("state");
        }
    }
    let asked = source.asked.lock().expect("a lock");
    for pair in asked.windows(2) {
        assert!(pair[1] - pair[0] >= PERIOD, "{:?}", pair[1] - pair[0]);
    }
}

#[test]
fn nobody_is_asked_once_pages_are_closed() {
    let (dashboard, source) = start();
    let mut page = Events::open(dashboard.address());
    page.next_of("state");
    drop(page);
    let mut before = source.asked.lock().expect("a lock").len();
    // The server notices when it next sends; after that it is quiet for a whole period.
    for _ in 0..20 {
        std::thread::park_timeout(2 * PERIOD);
        let now = source.asked.lock().expect("a lock").len();
        if now == before {
            return;
        }
        before = now;
    }
    panic!("the source is still asked");
}

#[test]
fn a_page_that_reads_nothing_holds_up_nobody() {
    let (dashboard, source) = start();
    // Some megabytes a state: more than what fits between two ends.
    source.groups.store(40_000, Ordering::SeqCst);
    let address = dashboard.address();
    let mut stalled = connect(address);
    let request =
        format!("GET /events HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: raskr-test={TOKEN}\r\n\r\n");
    stalled.write_all(request.as_bytes()).expect("sent");
    let mut page = Events::open(address);
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(page.next_of("state")["time"].as_f64().expect("a time"));
    }
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    drop(stalled);
}
