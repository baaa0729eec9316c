//! Who may look: the token, and that a browser was not sent here by somebody else's page.
//!
//! A page of another origin can have a browser send requests here. It cannot set `Host` or `Origin`, nor read answers of
//! another origin; a name of its own that it points at this machine (DNS rebinding) shows in `Host`. The token comes in the
//! link once, then in a cookie that is not sent along from other sites. Programs may send it as `Authorization: Bearer`.

use std::hint::black_box;
use std::net::{IpAddr, Ipv6Addr};

use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// How a request showed that it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// There is no token to show.
    Nothing,
    /// In the link: the answer sets the cookie.
    InLink,
    InHeader,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Method,
    Host,
    Origin,
    Token,
}

impl Refused {
    pub fn status(self) -> StatusCode {
        match self {
            Refused::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refused::Host => StatusCode::MISDIRECTED_REQUEST,
            Refused::Origin => StatusCode::FORBIDDEN,
            Refused::Token => StatusCode::UNAUTHORIZED,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Refused::Method => "This page is only to be looked at: GET and HEAD are answered.",
            Refused::Host => "This dashboard is not known by that name: use the link that the cluster printed.",
            Refused::Origin => "Pages of other sites may not ask this dashboard.",
            Refused::Token => {
                "This dashboard wants its token: open the link that the cluster printed, or that Client.dashboard_link gives."
            }
        }
    }
}

pub(crate) struct Guard {
    token: Option<String>,
    cookie: String,
    /// Names in `Host`, beside numeric addresses and `localhost`.
    hosts: Vec<String>,
}

impl Guard {
    pub fn new(token: Option<String>, cookie: String, hosts: Vec<String>) -> Guard {
        Guard { token, cookie, hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The header that lets a browser come again without the link.
    pub fn set_cookie(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        Some(format!("{}={token}; Path=/; HttpOnly; SameSite=Strict", self.cookie))
    }

    /// Is it a request to this dashboard, of a page of its own or of none?
    pub fn check_sender(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
        if method != Method::GET && method != Method::HEAD {
            return Err(Refused::Method);
        }
        let mut named = headers.get_all(HOST).iter();
        let host = named.next().and_then(|host| host.to_str().ok()).ok_or(Refused::Host)?;
        if named.next().is_some() || !self.is_ours(host) {
            return Err(Refused::Host);
        }
        if let Some(origin) = headers.get(ORIGIN) {
            // A proxy in front may speak TLS.
            let same = |scheme: &str| {
                origin
                    .as_bytes()
                    .strip_prefix(scheme.as_bytes())
                    .is_some_and(|o| o.eq_ignore_ascii_case(host.as_bytes()))
            };
            if !same("http://") && !same("https://") {
                return Err(Refused::Origin);
            }
        }
        let of = |name: &HeaderName| headers.get(name).map(|value| value.as_bytes());
        let site = of(&SEC_FETCH_SITE);
        let elsewhere = site.is_some_and(|site| site != b"same-origin" && site != b"none");
        // Links may be followed from anywhere: what they show is seen by who followed them.
        if elsewhere && of(&SEC_FETCH_MODE) != Some(b"navigate") {
            return Err(Refused::Origin);
        }
        Ok(())
    }

    /// A numeric address cannot be pointed elsewhere, so any will do; names must be known.
    fn is_ours(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => return rest.split_once(']').is_some_and(|(ip, _)| ip.parse::<Ipv6Addr>().is_ok()),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }

    pub fn check_token(&self, uri: &Uri, headers: &HeaderMap) -> Result<Shown, Refused> {
        let Some(token) = &self.token else { return Ok(Shown::Nothing) };
        let pairs = |text: &'_ str, between: char| -> Vec<(String, String)> {
            let parts = text.split(between).filter_map(|part| part.trim().split_once('='));
            parts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let in_link = pairs(uri.query().unwrap_or(""), '&');
        if in_link.iter().any(|(name, value)| name == "token" && is_same(value, token)) {
            return Ok(Shown::InLink);
        }
        let texts = |name: HeaderName| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        let in_cookie = texts(COOKIE)
            .flat_map(|text| pairs(text, ';'))
            .any(|(name, value)| name == self.cookie && is_same(&value, token));
        let borne = texts(AUTHORIZATION)
            .filter_map(|text| text.split_once(' '))
            .any(|(scheme, value)| scheme.eq_ignore_ascii_case("bearer") && is_same(value.trim(), token));
        if in_cookie || borne { Ok(Shown::InHeader) } else { Err(Refused::Token) }
    }
}

/// Compares in a time that depends on lengths alone.
fn is_same(given: &str, token: &str) -> bool {
    if given.len() != token.len() {
        return false;
    }
    let differing = given.bytes().zip(token.bytes()).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(Some("abc123".into()), "raskr-x".into(), vec!["Node7.example.org".into()])
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|&(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn hosts_are_numbers_or_known_names() {
        for host in [
            "localhost:8787",
            "LOCALHOST",
            "127.0.0.1:1",
            "10.1.2.3",
            "[::1]:8787",
            "node7.example.org:80",
            "localhost.:8787",
        ] {
            assert_eq!(guard().check_sender(&Method::GET, &headers(&[("host", host)])), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:8787", "127.0.0.1.evil.example", "", "[evil]:1", "[::1"] {
            let refused = guard().check_sender(&Method::GET, &headers(&[("host", host)]));
            assert_eq!(refused, Err(Refused::Host), "{host}");
        }
        assert_eq!(guard().check_sender(&Method::GET, &HeaderMap::new()), Err(Refused::Host));
        let mut two = headers(&[("host", "localhost")]);
        two.append("host", "evil.example".parse().expect("a value"));
        assert_eq!(guard().check_sender(&Method::GET, &two), Err(Refused::Host));
    }

    #[test]
    fn pages_of_other_origins_may_link_here_and_nothing_else() {
        let check = |lines: &[(&'static str, &str)]| {
            let mut all = headers(lines);
            all.insert("host", "localhost:8787".parse().expect("a value"));
            guard().check_sender(&Method::GET, &all)
        };
        for lines in [
            &[("origin", "http://localhost:8787")][..],
            &[("origin", "https://LOCALHOST:8787")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")],
            &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        ] {
            assert_eq!(check(lines), Ok(()), "{lines:?}");
        }
        for lines in [
            &[("origin", "http://localhost:9999")][..],
            &[("origin", "null")],
            &[("origin", "http://evil.example")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
            // Another port of this machine is the same site, and somebody else's page.
            &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")],
            &[("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(check(lines), Err(Refused::Origin), "{lines:?}");
        }
    }

    #[test]
    fn the_token_is_taken_from_the_link_the_cookie_or_a_header() {
        let check = |uri: &str, lines: &[(&'static str, &str)]| {
            guard().check_token(&uri.parse().expect("a uri"), &headers(lines))
        };
        assert_eq!(check("/status?x=1&token=abc123", &[]), Ok(Shown::InLink));
        assert_eq!(check("/status", &[("cookie", "other=1; raskr-x=abc123")]), Ok(Shown::InHeader));
        assert_eq!(check("/status", &[("authorization", "Bearer abc123")]), Ok(Shown::InHeader));
        for (uri, lines) in [
            ("/status", &[][..]),
            ("/status?token=", &[]),
            ("/status?token=abc12", &[]),
            ("/status?token=abc1234", &[]),
            ("/status?token=abc124", &[]),
            ("/status?nottoken=abc123", &[]),
            ("/status", &[("cookie", "raskr-y=abc123")]),
            ("/status", &[("authorization", "Basic abc123")]),
        ] {
            assert_eq!(check(uri, lines), Err(Refused::Token), "{uri} {lines:?}");
        }
        let open = Guard::new(None, "raskr-x".into(), Vec::new());
        assert_eq!(open.check_token(&"/".parse().expect("a uri"), &HeaderMap::new()), Ok(Shown::Nothing));
        assert_eq!(open.set_cookie(), None);
    }
}
