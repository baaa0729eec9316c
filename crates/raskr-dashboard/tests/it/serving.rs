//! Pages, health, metrics, addresses.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use raskr_dashboard::{DEFAULT_PORT, Dashboard, DashboardError, Options};

use crate::support::{Events, MadeUp, TOKEN, connect, get, get_as_friend, start, start_with};

#[test]
fn the_page_and_its_files_are_of_our_own() {
    let (dashboard, source) = start();
    let page = get_as_friend(dashboard.address(), "/status");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(get_as_friend(dashboard.address(), "/").body, page.body);
    for (file, kind) in [
        ("page.css", "text/css; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("stream.js", "text/javascript; charset=utf-8"),
        ("words.js", "text/javascript; charset=utf-8"),
    ] {
        let answer = get_as_friend(dashboard.address(), &format!("/{file}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{file}");
        // All of it comes from here, and text from the cluster never becomes markup or code.
        for forbidden in ["://", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("]
        {
            assert!(!answer.body.contains(forbidden), "{file} has {forbidden}");
        }
    }
    assert!(!page.body.replace("http://www.w3.org/2000/svg", "").contains("http"));
    assert!(!page.body.contains("<style") && !page.body.contains("style="));
    assert!(!page.body.split_whitespace().any(|word| word.starts_with("on") && word.contains('=')));
    assert_eq!(source.asked.lock().expect("a lock").len(), 0, "files cost the scheduler nothing");
    assert_eq!(get_as_friend(dashboard.address(), "/nowhere").status, 404);
}

#[test]
fn health_is_plain_and_open_and_tells_when_the_cluster_ended() {
    let (dashboard, source) = start();
    let health = get(dashboard.address(), "/health", &[]);
    assert_eq!((health.status, health.body.as_str()), (200, "ok"));
    source.gone.store(true, Ordering::SeqCst);
    let mut events = Events::open(dashboard.address());
    events.next_of("gone");
    assert_eq!(events.next(), None, "nothing follows");
    let health = get(dashboard.address(), "/health", &[]);
    assert_eq!((health.status, health.body.as_str()), (503, "the cluster has ended\n"));
    assert_eq!(get_as_friend(dashboard.address(), "/metrics").status, 503);
}

#[test]
fn metrics_and_info_tell_what_the_source_told() {
    let (dashboard, _source) = start();
    let metrics = get_as_friend(dashboard.address(), "/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("raskr_scheduler_workers{status=\"running\"} 1\n"), "{}", metrics.body);
    assert!(metrics.body.contains("raskr_scheduler_tasks{state=\"memory\"} 7\n"), "{}", metrics.body);
    let info = get_as_friend(dashboard.address(), "/info.json");
    let info: serde_json::Value = serde_json::from_str(&info.body).expect("JSON");
    assert_eq!(info["cluster"]["id"], "c1");
    assert_eq!(info["workers"][0]["status"], "running");
    assert_eq!(info["groups"][0]["tasks"]["memory"], 7);
}

#[test]
fn dasks_pages_lead_to_their_part_of_the_page() {
    let (dashboard, _source) = start();
    for (path, place) in [
        ("/workers", "status#workers"),
        ("/tasks", "status#tasks"),
        ("/system", "status#memory"),
        ("/info/main/workers.html", "../../status#workers"),
    ] {
        let answer = get_as_friend(dashboard.address(), path);
        assert_eq!((answer.status, answer.header("location")), (303, Some(place)), "{path}");
    }
    // Programs that follow links keep no cookies.
    let answer = get(dashboard.address(), &format!("/workers?token={TOKEN}"), &[]);
    assert_eq!(answer.header("location"), Some(format!("status?token={TOKEN}#workers").as_str()));
}

#[test]
fn a_prefix_is_served_whether_a_proxy_takes_it_off_or_not() {
    let (dashboard, _source) = start_with(Options { prefix: "/hub/cluster7/".into(), ..Options::default() });
    assert!(dashboard.link().contains("/hub/cluster7/status?token="), "{}", dashboard.link());
    for path in ["/hub/cluster7/status", "/hub/cluster7/", "/hub/cluster7", "/status", "/hub/cluster7/page.js"] {
        assert_eq!(get_as_friend(dashboard.address(), path).status, 200, "{path}");
    }
    assert_eq!(get_as_friend(dashboard.address(), "/hub/cluster77/status").status, 404);
}

#[test]
fn the_default_port_gives_way_and_others_do_not() {
    let serve = |address: &str| {
        let options = Options { holder: Some(|port| Some(format!("the holder of {port}"))), ..Options::default() };
        Dashboard::start(address, Arc::new(MadeUp::default()), options)
    };
    // If this fails somebody else has the port, which is as good.
    let _taken = TcpListener::bind(("127.0.0.1", DEFAULT_PORT));
    let moved = serve("").expect("another port");
    let port = moved.address().port();
    let words = format!("port 8787 is in use by the holder of 8787: the dashboard is on another one, {port}");
    assert_eq!(moved.moved(), Some(words.as_str()));
    assert_eq!(get(moved.address(), "/status", &[]).status, 200, "no token was asked for");
    assert_eq!(moved.link(), format!("http://127.0.0.1:{port}/status"));
    let error = serve(&format!("127.0.0.1:{port}")).err().expect("the port is taken");
    let holder = Some(format!("the holder of {port}"));
    assert_eq!(error, DashboardError::InUse { address: format!("127.0.0.1:{port}"), holder });
}

#[test]
fn what_goes_into_links_is_checked_and_a_token_is_not_shown() {
    let serve = |options: Options| {
        let error = Dashboard::start(":0", Arc::new(MadeUp::default()), options).err().expect("an error");
        error.to_string()
    };
    let error = serve(Options { token: Some("a&b".into()), ..Options::default() });
    assert!(error.contains("token") && !error.contains("a&b"), "{error}");
    assert!(serve(Options { token: Some(String::new()), ..Options::default() }).contains("token"));
    assert!(serve(Options { prefix: "a b".into(), ..Options::default() }).contains("\"a b\""));
    assert!(serve(Options { name: "a;b".into(), ..Options::default() }).contains("\"a;b\""));
}

#[test]
fn closing_ends_every_connection_and_frees_the_port() {
    let (mut dashboard, _source) = start();
    let address = dashboard.address();
    let mut events = Events::open(address);
    events.next_of("state");
    let _silent = connect(address);
    dashboard.close();
    while events.next().is_some() {}
    TcpListener::bind(address).expect("the port is free");
    dashboard.close();
}
