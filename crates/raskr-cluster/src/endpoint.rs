//! A process's way into a cluster: connects to others and listens for them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::address::{Address, Host};
use crate::connection::Connection;
use crate::error::{CommError, Speaks, Stage};
use crate::handshake::{Greeting, PROTOCOL_VERSIONS, Peer, Role};
use crate::inproc;
use crate::listener::Listener;
use crate::near;
use crate::options::Options;
use crate::security::Security;
use crate::stream::{Stream, tune};

/// Who this process is, what it shows to prove it, and how its connections behave. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub role: Role,
    pub security: Security,
    pub options: Options,
}

impl Endpoint {
    pub fn new(role: Role, security: Security) -> Endpoint {
        Endpoint { role, security, options: Options::default() }
    }

    pub fn with_options(mut self, options: Options) -> Endpoint {
        self.options = options;
        self
    }

    /// Connects and makes sure that both sides belong to one cluster, all within `connect_timeout`.
    pub async fn connect(&self, address: &Address) -> Result<Connection, CommError> {
        self.security.check(address)?;
        if let Address::Inproc(name) = address {
            return inproc::connect(name, self).await;
        }
        let progress = Progress::new(Stage::Connect);
        match tokio::time::timeout(self.options.connect_timeout, self.reach(address, &progress)).await {
            Ok(Ok((stream, peer))) => Connection::over(stream, peer, self.options),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(progress.timeout(address, self.options.connect_timeout)),
        }
    }

    /// Listens on an address, within a runtime. Beyond loopback only with TLS, or where [`Security::insecure`] allows it.
    pub async fn listen(&self, address: &Address) -> Result<Listener, CommError> {
        Listener::bind(address, self).await
    }

    async fn reach(&self, address: &Address, progress: &Progress) -> Result<(Stream, Peer), CommError> {
        let mut stream = match address {
            Address::Tcp(host) => match nearby(address).await {
                Some(stream) => Stream::Unix(stream),
                None => Stream::Tcp(dial(address, host).await?),
            },
            Address::Tls(host) => {
                let tls = self.security.tls(address)?;
                let stream = dial(address, host).await?;
                progress.reached(Stage::Tls);
                let name = tls.server_name().map_err(|reason| CommError::Tls { address: address.clone(), reason })?;
                let connected = TlsConnector::from(Arc::clone(&tls.client)).connect(name, stream).await;
                Stream::Tls(Box::new(TlsStream::Client(connected.map_err(|error| self.tls_error(address, &error))?)))
            }
            Address::Unix(path) => {
                Stream::Unix(UnixStream::connect(path).await.map_err(|error| connect_error(address, error))?)
            }
            Address::Inproc(_) => return Err(CommError::Refused { address: address.clone() }),
        };
        progress.reached(Stage::Handshake);
        let peer = self.greeting(address, &stream)?.as_client(&mut stream).await;
        let peer = peer.map_err(|error| match (&stream, error) {
            // In TLS 1.3 the server looks at the client's certificate after the client is done with the handshake.
            (Stream::Tls(_), CommError::Lost { reason, .. }) => CommError::Tls { address: address.clone(), reason },
            (_, error) => error,
        })?;
        Ok((stream, peer))
    }

    /// The server's side of a connection that was accepted; `address` is the socket's other end.
    pub(crate) async fn admit(
        &self,
        stream: Stream,
        address: &Address,
        tls: bool,
    ) -> Result<(Stream, Peer), CommError> {
        let mut stream = match stream {
            Stream::Tcp(stream) if tls => {
                let tls = self.security.tls(address)?;
                let accepted = TlsAcceptor::from(Arc::clone(&tls.server)).accept(stream).await;
                Stream::Tls(Box::new(TlsStream::Server(accepted.map_err(|error| self.tls_error(address, &error))?)))
            }
            stream => stream,
        };
        let greeted = self.greeting(address, &stream)?.as_server(&mut stream).await;
        match greeted {
            Ok(peer) => Ok((stream, peer)),
            Err(error) => {
                part(stream).await;
                Err(error)
            }
        }
    }

    fn greeting<'a>(&'a self, address: &'a Address, stream: &Stream) -> Result<Greeting<'a>, CommError> {
        let binding = stream.binding().map_err(|error| self.security.explain(address, &error))?;
        let token = self.security.token();
        Ok(Greeting { address, token, role: self.role, versions: PROTOCOL_VERSIONS, binding })
    }

    fn tls_error(&self, address: &Address, error: &io::Error) -> CommError {
        let foreign = |speaks| CommError::Foreign { address: address.clone(), speaks };
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidMessage(_)) => foreign(Speaks::Plain),
            Some(error) => self.security.explain(address, error),
            None if is_end(error) => foreign(Speaks::Nothing),
            None => CommError::lost(address, error),
        }
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// Lets the other side read what it was told last: closing with bytes unread would have the system throw that away.
async fn part(mut stream: Stream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const PATIENCE: Duration = Duration::from_secs(1);
    const BYTES_MAX: usize = 64 << 10;
    let drained = async {
        stream.shutdown().await?;
        let (mut sink, mut left) = ([0; 1024], BYTES_MAX);
        while left > 0 {
            match stream.read(&mut sink).await? {
                0 => break,
                bytes => left = left.saturating_sub(bytes),
            }
        }
        io::Result::Ok(())
    };
    // Nothing hangs on whether it was read.
    let _ = tokio::time::timeout(PATIENCE, drained).await;
}

/// How far a connection has come, for the error when time is up.
struct Progress(parking_lot::Mutex<Stage>);

impl Progress {
    fn new(stage: Stage) -> Progress {
        Progress(parking_lot::Mutex::new(stage))
    }

    fn reached(&self, stage: Stage) {
        *self.0.lock() = stage;
    }

    fn timeout(&self, address: &Address, after: Duration) -> CommError {
        let address = address.clone();
        match *self.0.lock() {
            Stage::Handshake | Stage::Tls => CommError::Mute { address, after },
            stage => CommError::Timeout { address, after, stage },
        }
    }
}

/// The socket beside a port of loopback, if somebody listens there.
async fn nearby(address: &Address) -> Option<UnixStream> {
    let path = near::beside(address).filter(|_| address.is_local())?;
    UnixStream::connect(path).await.ok()
}

async fn dial(address: &Address, host: &Host) -> Result<TcpStream, CommError> {
    let found = tokio::net::lookup_host((host.name.as_str(), host.port)).await;
    let found = found.map_err(|source| CommError::Resolve { address: address.clone(), source: Arc::new(source) })?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for place in found {
        match TcpStream::connect(place).await {
            Ok(stream) => {
                tune(&stream).map_err(|error| CommError::system(address, "set up the socket", error))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(connect_error(address, last))
}

fn connect_error(address: &Address, error: io::Error) -> CommError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => CommError::Refused { address: address.clone() },
        _ => CommError::system(address, "connect", error),
    }
}
