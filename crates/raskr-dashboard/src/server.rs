//! The dashboard's thread: what is asked, by whom, and what is answered.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Method, Request, Response, StatusCode};
use tokio::sync::{oneshot, watch};

use crate::address;
use crate::connections::{Doorman, Patience, Peer};
use crate::error::DashboardError;
use crate::guard::{Guard, Refused, Shown};
use crate::metrics;
use crate::page;
use crate::sampler::{Said, Sampler, Wish};
use crate::source::Source;

/// What is answered that needs the source is not waited for longer than this.
const SOURCE_LIMIT: Duration = Duration::from_secs(10);
/// Said to a page that has heard nothing for so long, lest its connection is taken for idle.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// Only our own files, no frames around them, no forms.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How a dashboard is served.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Without one anybody who reaches the address may look.
    pub token: Option<String>,
    /// A path in front of every other, for a proxy that passes it on: `cluster7`.
    pub prefix: String,
    /// Tells this cluster's cookie from those of others on the same host; the port where it is empty.
    pub name: String,
    /// Names under which it is reached, beside numeric addresses, `localhost` and the host of its address.
    pub hosts: Vec<String>,
    /// The host in the link, where it is not the one of the address.
    pub shown_host: Option<String>,
    /// Tells in an error who listens on a port.
    pub holder: Option<fn(u16) -> Option<String>>,
}

/// A page that is being served, until it is closed or dropped.
pub struct Dashboard {
    address: SocketAddr,
    link: String,
    moved: Option<String>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Dashboard {
    /// Listens, and serves on a thread of its own. Addresses are as Dask takes them; no host means loopback.
    pub fn start(address: &str, source: Arc<dyn Source>, options: Options) -> Result<Dashboard, DashboardError> {
        serve(address, source, options, Patience::default())
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to open in a browser; it holds the token.
    pub fn link(&self) -> &str {
        &self.link
    }

    /// Says so when the port that was asked for is another one's.
    pub fn moved(&self) -> Option<&str> {
        self.moved.as_deref()
    }

    /// Ends all connections; nothing listens any more when this returns.
    pub fn close(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            // Either may have ended on its own.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.close();
    }
}

/// What requests share.
struct Shared {
    guard: Guard,
    sampler: Sampler,
    prefix: String,
}

fn is_plain(text: &str, also: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c) || also.contains(c))
}

fn serve(
    address: &str,
    source: Arc<dyn Source>,
    options: Options,
    patience: Patience,
) -> Result<Dashboard, DashboardError> {
    let prefix = options.prefix.trim_matches('/').to_owned();
    if !is_plain(&prefix, "/") {
        return Err(DashboardError::Text { what: "prefix", given: options.prefix });
    }
    if !is_plain(&options.name, "") {
        return Err(DashboardError::Text { what: "name", given: options.name });
    }
    if options.token.as_ref().is_some_and(|token| token.is_empty() || !is_plain(token, "")) {
        // It may nearly be the right one.
        return Err(DashboardError::Text { what: "token", given: "(not shown)".into() });
    }
    let bound = address::listen(address, options.holder)?;
    let port = bound.address.port();
    if !bound.address.ip().is_loopback() {
        tracing::warn!(
            "the dashboard listens on {} without encryption: who sees the traffic can look at it too",
            bound.address
        );
    }
    let host = options.shown_host.clone().unwrap_or_else(|| address::shown(bound.address.ip()));
    let slash = if prefix.is_empty() { "" } else { "/" };
    let query = options.token.as_ref().map(|token| format!("?token={token}")).unwrap_or_default();
    let link = format!("http://{host}:{port}{slash}{prefix}/status{query}");
    let name = if options.name.is_empty() { port.to_string() } else { options.name };
    let mut hosts = options.hosts;
    hosts.extend([bound.host, host]);
    let shared = Arc::new(Shared {
        guard: Guard::new(options.token, format!("raskr-{name}"), hosts),
        sampler: Sampler::start(source)?,
        prefix,
    });
    let (stop, stopped) = oneshot::channel();
    let failed = |error: std::io::Error| DashboardError::Thread { reason: error.to_string() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(bound.listener).map_err(failed)?
    };
    let thread = std::thread::Builder::new().name("raskr-dashboard".into()).spawn(move || {
        let service = Router::new().fallback(answer).with_state(shared).into_make_service_with_connect_info::<Peer>();
        runtime.block_on(async move {
            tokio::select! {
                // Neither accepting nor serving ends by itself.
                _ = axum::serve(Doorman::new(listener, patience), service) => {}
                _ = stopped => {}
            }
        });
    });
    let thread = thread.map_err(failed)?;
    Ok(Dashboard { address: bound.address, link, moved: bound.moved, running: Some((stop, thread)) })
}

type Answer = Response<Body>;

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request<Body>,
) -> Answer {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let mut answer = match shared.guard.check_sender(method, headers) {
        Err(refused) => refuse(refused),
        Ok(()) => {
            let path = shared.path(uri.path());
            match shared.guard.check_token(uri, headers) {
                // Open, since those who ask whether a process lives are given no secrets.
                _ if path == "health" => health(&shared).await,
                Err(refused) => {
                    tracing::debug!("the dashboard refused {} /{path} of {}", method, peer.ip);
                    refuse(refused)
                }
                Ok(shown) => {
                    peer.trust();
                    let mut answer = page_of(&shared, method, path, shown).await;
                    if shown == Shown::InLink
                        && let Some(cookie) = shared.guard.set_cookie().and_then(|text| text.parse().ok())
                    {
                        answer.headers_mut().insert(SET_COOKIE, cookie);
                    }
                    answer
                }
            }
        }
    };
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

impl Shared {
    /// The path without the prefix, which a proxy may have taken off already, and without slashes around it.
    fn path<'a>(&self, path: &'a str) -> &'a str {
        let path = path.trim_matches('/');
        match path.strip_prefix(self.prefix.as_str()) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.trim_start_matches('/'),
            _ => path,
        }
    }
}

fn respond(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

fn refuse(refused: Refused) -> Answer {
    let mut answer = match refused {
        Refused::Token => respond(refused.status(), HTML, page::refusal(refused.words())),
        _ => respond(refused.status(), TEXT, format!("{}\n", refused.words())),
    };
    if refused == Refused::Method {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    // Strangers don't keep their place.
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn unavailable(said: &Said) -> Answer {
    let words = match said {
        Said::Gone => "the cluster has ended\n",
        _ => "the scheduler has not answered in time\n",
    };
    respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, words)
}

/// Is the scheduler there, and does it answer?
async fn health(shared: &Shared) -> Answer {
    match shared.sampler.recent(SOURCE_LIMIT).await {
        Said::Sample(sample) if sample.at.elapsed() < SOURCE_LIMIT => respond(StatusCode::OK, TEXT, "ok"),
        said => unavailable(&said),
    }
}

async fn page_of(shared: &Shared, method: &Method, path: &str, shown: Shown) -> Answer {
    match path {
        "" | "status" => respond(StatusCode::OK, HTML, page::HTML),
        "page.css" => respond(StatusCode::OK, "text/css; charset=utf-8", page::STYLE),
        "events" if method == Method::GET => events(shared),
        "metrics" | "info.json" => match shared.sampler.recent(SOURCE_LIMIT).await {
            Said::Sample(sample) if path == "metrics" => {
                respond(StatusCode::OK, metrics::CONTENT_TYPE, metrics::of(&sample.snapshot))
            }
            Said::Sample(sample) => respond(StatusCode::OK, "application/json", sample.state.clone()),
            said => unavailable(&said),
        },
        // Dask's pages, which people know by heart.
        "workers" | "info/main/workers.html" => aside(shared, path, "workers", shown),
        "tasks" | "progress" | "individual-task-stream" => aside(shared, path, "tasks", shown),
        "system" | "memory" => aside(shared, path, "memory", shown),
        "info/logs.html" | "info/main/logs.html" => aside(shared, path, "log", shown),
        path => match page::SCRIPTS.iter().find(|(name, _)| *name == path) {
            Some((_, script)) => respond(StatusCode::OK, "text/javascript; charset=utf-8", *script),
            None => respond(StatusCode::NOT_FOUND, TEXT, "there is no such page: /status is\n"),
        },
    }
}

/// To a part of the one page. A link's token goes along, for those who keep no cookies.
fn aside(shared: &Shared, path: &str, part: &str, shown: Shown) -> Answer {
    let up = "../".repeat(path.matches('/').count());
    let query = match shared.guard.token() {
        Some(token) if shown == Shown::InLink => format!("?token={token}"),
        _ => String::new(),
    };
    let mut answer = respond(StatusCode::SEE_OTHER, TEXT, "");
    if let Ok(place) = format!("{up}status{query}#{part}").parse() {
        answer.headers_mut().insert(LOCATION, place);
    }
    answer
}

/// How far a page has been told.
struct Reader {
    said: watch::Receiver<Said>,
    wish: Wish,
    /// The last sample whose spans it has.
    spans: u64,
    ended: bool,
    first: bool,
}

/// A stream of events: `state` holds a snapshot, `tasks` lists of spans, `gone` is the last.
fn events(shared: &Shared) -> Answer {
    let wish = shared.sampler.wish();
    wish.say();
    let reader = Reader { said: shared.sampler.watch(), wish, spans: 0, ended: false, first: true };
    let stream = futures::stream::unfold(reader, |mut reader| async move {
        let text = reader.next().await?;
        Some((Ok::<Bytes, Infallible>(text.into()), reader))
    });
    respond(StatusCode::OK, "text/event-stream; charset=utf-8", Body::from_stream(stream))
}

impl Reader {
    /// What there is to tell; waits for it. A page that takes long is told what is newest then.
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        if !std::mem::take(&mut self.first) {
            self.wish.say();
            match tokio::time::timeout(SIGN_OF_LIFE, self.said.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some(": the scheduler has not answered\n\n".into()),
            }
        }
        let said = self.said.borrow_and_update().clone();
        Some(match said {
            // Sent at once, so that the page knows that it is connected.
            Said::Nothing => ": welcome\n\n".into(),
            Said::Gone => {
                self.ended = true;
                "event: gone\ndata: {}\n\n".into()
            }
            Said::Sample(sample) => {
                let news: Vec<&str> =
                    sample.spans.iter().filter(|spans| spans.number > self.spans).map(|spans| &*spans.json).collect();
                self.spans = sample.spans.back().map_or(self.spans, |spans| spans.number);
                // JSON has no line breaks of its own, so each is one line.
                let tasks = match news.is_empty() {
                    true => String::new(),
                    false => format!("event: tasks\ndata: [{}]\n\n", news.join(",")),
                };
                format!("event: state\ndata: {}\n\n{tasks}", sample.state)
            }
        })
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
