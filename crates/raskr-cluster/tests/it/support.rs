//! What the tests share: endpoints with a token, connected pairs, and addresses of each kind.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use raskr_cluster::{Address, Connection, Endpoint, Listener, Options, Receiver, Role, Security, Sender, Token};

pub type Ends = (Sender<u64>, Receiver<u64>);

pub const SHORT: Duration = Duration::from_secs(20);

pub fn token() -> Token {
    Token::random().expect("random")
}

pub fn endpoint(role: Role, token: &Token) -> Endpoint {
    Endpoint::new(role, Security::new(token.clone()))
}

pub fn with(endpoint: Endpoint, change: impl FnOnce(&mut Options)) -> Endpoint {
    let mut options = endpoint.options;
    change(&mut options);
    endpoint.with_options(options)
}

/// A name that no other test has.
pub fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("raskr-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn socket_path() -> PathBuf {
    std::env::temp_dir().join(unique())
}

/// An address to listen on, of each kind.
pub fn addresses() -> [Address; 4] {
    let address = |text: &str| text.parse().expect(text);
    [
        address("tcp://127.0.0.1:0"),
        address("tls://127.0.0.1:0"),
        Address::Unix(socket_path()),
        address(&format!("inproc://{}", unique())),
    ]
}

pub async fn listen(endpoint: &Endpoint, address: &Address) -> Listener {
    endpoint.listen(address).await.expect("listening")
}

/// Both ends of a connection, the one that connected first; listening has ended.
pub async fn meet(client: &Endpoint, server: &Endpoint, address: &Address) -> (Connection, Connection) {
    let mut listener = listen(server, address).await;
    let to = listener.address().clone();
    let (one, two) = tokio::join!(client.connect(&to), listener.accept());
    (one.expect("connected"), two.expect("accepted"))
}

/// A client's and a scheduler's end, with the same options.
pub async fn pair(address: &Address, change: impl Fn(&mut Options)) -> (Ends, Ends) {
    let token = token();
    let client = with(endpoint(Role::Client, &token), &change);
    let server = with(endpoint(Role::Scheduler, &token), &change);
    let (one, two) = meet(&client, &server, address).await;
    (one.split(), two.split())
}
