//! Who may look: tokens, hosts, origins, methods, and what browsers are told.

use std::io::{Read, Write};

use raskr_dashboard::Options;

use crate::support::{TOKEN, ask_as_it_is, connect, get, get_as_friend, start, start_with};

const PATHS: [&str; 8] = ["/", "/status", "/page.js", "/events", "/metrics", "/info.json", "/workers", "/nowhere"];

#[test]
fn without_the_token_nothing_is_told() {
    let (dashboard, source) = start();
    for path in PATHS {
        for lines in [&[][..], &["Cookie: raskr-test=wrong"], &["Authorization: Bearer wrong"]] {
            let answer = get(dashboard.address(), path, lines);
            assert_eq!(answer.status, 401, "{path} {lines:?}");
            assert_eq!(answer.header("set-cookie"), None);
            assert!(answer.body.contains("wants its token") && !answer.body.contains("c1"), "{}", answer.body);
        }
        assert_eq!(get(dashboard.address(), &format!("{path}?token={TOKEN}0"), &[]).status, 401, "{path}");
    }
    assert_eq!(source.asked.lock().expect("a lock").len(), 0, "strangers cost the scheduler nothing");
}

#[test]
fn the_link_works_for_programs_and_gives_browsers_a_cookie() {
    let (dashboard, _source) = start();
    let link = dashboard.link();
    let path = link.strip_prefix(&format!("http://{}", dashboard.address())).expect("the address");
    let answer = get(dashboard.address(), path, &[]);
    assert_eq!(answer.status, 200);
    let cookie = format!("raskr-test={TOKEN}; Path=/; HttpOnly; SameSite=Strict");
    assert_eq!(answer.header("set-cookie"), Some(cookie.as_str()));
    assert!(!answer.body.contains(TOKEN), "the page itself does not hold the token");
    let again = get_as_friend(dashboard.address(), "/status");
    assert_eq!((again.status, again.header("set-cookie")), (200, None));
    let borne = get(dashboard.address(), "/metrics", &[&format!("Authorization: Bearer {TOKEN}")]);
    assert_eq!(borne.status, 200);
}

#[test]
fn other_hosts_and_origins_are_refused_even_with_the_token() {
    let (dashboard, _source) = start_with(Options { hosts: vec!["node7".into()], ..Options::default() });
    let address = dashboard.address();
    let cookie = format!("Cookie: raskr-test={TOKEN}");
    let with = |lines: &[&str]| ask_as_it_is(address, "GET /info.json", &[lines, &[cookie.as_str()]].concat()).status;
    for host in ["Host: localhost:1", "Host: node7", "Host: NODE7:8787", "Host: 10.0.0.1"] {
        assert_eq!(with(&[host]), 200, "{host}");
    }
    for host in ["Host: evil.example", "Host: node7.evil.example", "Host:"] {
        assert_eq!(with(&[host]), 421, "{host}");
    }
    assert_eq!(ask_as_it_is(address, "GET /health", &["Host: evil.example"]).status, 421, "not even health");
    let origin = |text: &str| with(&["Host: localhost:8787", text]);
    assert_eq!(origin("Origin: http://localhost:8787"), 200);
    for text in
        ["Origin: http://evil.example", "Origin: null", "Origin: http://localhost:9", "Sec-Fetch-Site: cross-site"]
    {
        assert_eq!(origin(text), 403, "{text}");
    }
}

#[test]
fn nothing_can_be_changed() {
    let (dashboard, _source) = start();
    let (host, cookie) = (format!("Host: {}", dashboard.address()), format!("Cookie: raskr-test={TOKEN}"));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "BREW"] {
        for path in ["/status", "/health", "/metrics"] {
            let answer =
                ask_as_it_is(dashboard.address(), &format!("{method} {path}"), &[&host, &cookie, "Content-Length: 0"]);
            // What is no request for a path does not come as far as being refused.
            assert!([400, 405].contains(&answer.status), "{method} {path} {}", answer.status);
        }
    }
    let head = ask_as_it_is(dashboard.address(), "HEAD /status", &[&host, &cookie]);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn every_answer_tells_browsers_what_it_is_not_for() {
    let (dashboard, _source) = start();
    let mut answers: Vec<_> =
        PATHS.iter().filter(|path| **path != "/events").map(|path| get_as_friend(dashboard.address(), path)).collect();
    answers.push(get(dashboard.address(), "/health", &[]));
    answers.push(get(dashboard.address(), "/status", &[]));
    answers.push(get(dashboard.address(), "/status", &["Origin: null"]));
    for answer in &answers {
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test]
fn what_is_no_http_is_answered_or_closed_and_harms_nobody() {
    let (dashboard, _source) = start();
    let long = format!("GET /health HTTP/1.1\r\nX: {}", "x".repeat(1 << 20));
    for garbage in
        ["\x16\x03\x01\x02garbage\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\0\0\0\0\r\n\r\n", &long]
    {
        let mut stream = connect(dashboard.address());
        // It may be closed before it is all sent, and politely or not: what counts is that it ends and nothing is told.
        let _ = stream.write_all(garbage.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let refused = answer.starts_with(b"HTTP/1.1 400") || answer.starts_with(b"HTTP/1.1 431");
        assert!(answer.is_empty() || refused, "{:?}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(get(dashboard.address(), "/health", &[]).status, 200);
}
