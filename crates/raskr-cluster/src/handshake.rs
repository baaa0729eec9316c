//! How two processes that have just been connected show each other who they are.
//!
//! 1. The client says which versions of the protocol it speaks, and a number that is used once.
//! 2. The server answers with its versions, a number of its own, and a proof that it has the token: a keyed hash (HMAC-SHA256)
//!    over both openings and, with TLS, over something that only the ends of this session know.
//! 3. The client checks it, answers with its own proof, and only now says more about itself.
//! 4. The server checks that, and says who it is.
//!
//! Up to the proofs all messages have a fixed size and nothing in them is decoded but numbers. The token never crosses the
//! wire; a proof is of no use in another conversation, in the other direction, or after anybody changed an opening (so that
//! nobody in between can talk both into an older version). The opening reads as a bad request to HTTP servers, so that they
//! answer at once. Times are the caller's: nothing here waits on purpose.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::address::Address;
use crate::error::{CommError, Speaks};
use crate::token::{Token, random};

/// The versions of the protocol that are spoken here, oldest and newest. Any change to frames, handshake or messages is a new
/// one: `wire_tests.rs` notices.
pub const PROTOCOL_VERSIONS: (u16, u16) = (4, 4);
/// What both sides begin with; never changes, so that versions can always be compared.
const MAGIC: [u8; 16] = *b"RASKR WIRE 1\r\n\r\n";
const OPENING_BYTES: usize = 64;
const PROOF_BYTES: usize = 32;
/// The most that a process may say about itself.
const HELLO_BYTES_MAX: usize = 4096;

const PROCEED: u16 = 0;
const OTHER_VERSION: u16 = 1;
const NOT_TLS: u16 = 2;

const TOKEN_RIGHT: u8 = 0x11;
const TOKEN_WRONG: u8 = 0x77;

/// What a process is in the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    Scheduler,
    Worker,
    Client,
    /// A launcher, or a command that looks at a cluster.
    Tool,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Scheduler => "scheduler",
            Role::Worker => "worker",
            Role::Client => "client",
            Role::Tool => "tool",
        })
    }
}

/// Who is on the other side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Where it was connected to; or, where it connected to us, the socket's other end, which nothing listens on.
    pub address: Address,
    pub role: Role,
    /// The release of raskr that it runs.
    pub raskr: String,
    /// The version of the protocol that both speak now.
    pub protocol: u16,
    pub pid: u32,
    /// Equal for processes of one machine and one run of it, see [`crate::machine_id`]; may be empty.
    pub machine: String,
}

#[derive(Serialize, Deserialize)]
struct Hello<'a> {
    role: Role,
    raskr: &'a str,
    pid: u32,
    machine: &'a str,
}

/// The release of raskr, as three numbers and as text.
fn release() -> ([u16; 3], &'static str) {
    let text = env!("CARGO_PKG_VERSION");
    let mut numbers = [0; 3];
    for (number, part) in numbers.iter_mut().zip(text.split(['.', '-', '+'])) {
        *number = part.parse().unwrap_or(0);
    }
    (numbers, text)
}

/// The fixed beginning of either side.
struct Opening {
    status: u16,
    versions: (u16, u16),
    release: [u16; 3],
}

impl Opening {
    fn encode(&self, nonce: &[u8; 32]) -> [u8; OPENING_BYTES] {
        let mut bytes = [0; OPENING_BYTES];
        bytes[..16].copy_from_slice(&MAGIC);
        let [major, minor, patch] = self.release;
        let numbers = [self.status, self.versions.0, self.versions.1, major, minor, patch];
        for (place, number) in bytes[16..28].chunks_exact_mut(2).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes[32..].copy_from_slice(nonce);
        bytes
    }

    fn decode(bytes: &[u8; OPENING_BYTES]) -> Opening {
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Opening { status: number(16), versions: (number(18), number(20)), release: [22, 24, 26].map(number) }
    }

    /// The newest version that both speak.
    fn common(&self, versions: (u16, u16)) -> Option<u16> {
        let (oldest, newest) = (self.versions.0.max(versions.0), self.versions.1.min(versions.1));
        (oldest <= newest).then_some(newest)
    }

    fn mismatch(&self, address: &Address, versions: (u16, u16)) -> CommError {
        let [major, minor, patch] = self.release;
        CommError::Version {
            address: address.clone(),
            ours: release().1.to_owned(),
            our_range: versions,
            theirs: format!("{major}.{minor}.{patch}"),
            their_range: self.versions,
        }
    }
}

/// What is needed to show who we are. `binding` ties the proofs to a TLS session.
pub(crate) struct Greeting<'a> {
    pub address: &'a Address,
    pub token: &'a Token,
    pub role: Role,
    pub versions: (u16, u16),
    pub binding: [u8; 32],
}

/// What bytes that are not raskr's opening look like.
pub(crate) fn recognise(bytes: &[u8]) -> Speaks {
    let is = |start: &str| bytes.len() >= start.len() && bytes[..start.len()].eq_ignore_ascii_case(start.as_bytes());
    let http = [
        "HTTP/", "GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "DELETE ", "PATCH ", "CONNECT ", "PRI * ", "<!DOC",
        "<html",
    ];
    match bytes {
        [] => Speaks::Nothing,
        // A record of a TLS handshake, or an alert.
        [0x15 | 0x16, 0x03, ..] => Speaks::Tls,
        _ if http.iter().any(|start| is(start)) => Speaks::Http,
        _ if is("SSH-") => Speaks::Ssh,
        _ => Speaks::Unknown,
    }
}

impl Greeting<'_> {
    fn conversation<'a>(&'a self, side: &'a [u8], opening: &'a [u8], answer: &'a [u8]) -> [&'a [u8]; 4] {
        [side, &self.binding, opening, answer]
    }

    fn lost(&self, error: &std::io::Error) -> CommError {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::BrokenPipe => {
                CommError::Foreign { address: self.address.clone(), speaks: Speaks::Nothing }
            }
            _ => CommError::lost(self.address, error),
        }
    }

    /// Reads the other side's opening, and no further; what begins otherwise is recognised at its first bytes.
    async fn opening(&self, stream: &mut (impl AsyncRead + Unpin)) -> Result<[u8; OPENING_BYTES], CommError> {
        let mut bytes = [0; OPENING_BYTES];
        let mut have = 0;
        while have < OPENING_BYTES {
            let read = stream.read(&mut bytes[have..]).await;
            let ended = matches!(read, Ok(0) | Err(_));
            have += read.as_ref().copied().unwrap_or(0);
            let known = have.min(MAGIC.len());
            if bytes[..known] != MAGIC[..known] || ended && have > 0 {
                return Err(CommError::Foreign { address: self.address.clone(), speaks: recognise(&bytes[..have]) });
            }
            match read {
                Ok(0) => return Err(self.lost(&std::io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
        Ok(bytes)
    }

    async fn say(&self, stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), CommError> {
        stream.write_all(bytes).await.map_err(|error| self.lost(&error))?;
        stream.flush().await.map_err(|error| self.lost(&error))
    }

    fn hello(&self) -> Result<Vec<u8>, CommError> {
        let machine = crate::process::machine_id();
        let hello = Hello { role: self.role, raskr: release().1, pid: std::process::id(), machine: &machine };
        let encode =
            |error: postcard::Error| CommError::Encode { peer: self.address.clone(), reason: error.to_string() };
        let encoded = postcard::to_allocvec(&hello).map_err(encode)?;
        let mut message = (encoded.len() as u32).to_le_bytes().to_vec();
        message.extend_from_slice(&encoded);
        Ok(message)
    }

    /// Reads what the other side says about itself, once it was found to have the token.
    async fn hear_hello(&self, stream: &mut (impl AsyncRead + Unpin), protocol: u16) -> Result<Peer, CommError> {
        let mut len = [0; 4];
        stream.read_exact(&mut len).await.map_err(|error| self.lost(&error))?;
        let len = u32::from_le_bytes(len) as usize;
        if len > HELLO_BYTES_MAX {
            let (found, limit) = (len as u64, HELLO_BYTES_MAX as u64);
            return Err(CommError::Oversized { peer: self.address.clone(), what: "greeting", found, limit });
        }
        let mut bytes = vec![0; len];
        stream.read_exact(&mut bytes).await.map_err(|error| self.lost(&error))?;
        let malformed = |error: postcard::Error| CommError::Malformed {
            peer: self.address.clone(),
            reason: format!("a greeting of {len} bytes: {error}"),
        };
        let hello: Hello<'_> = postcard::from_bytes(&bytes).map_err(malformed)?;
        Ok(Peer {
            address: self.address.clone(),
            role: hello.role,
            raskr: hello.raskr.to_owned(),
            protocol,
            pid: hello.pid,
            machine: hello.machine.to_owned(),
        })
    }

    /// The side that connected.
    pub async fn as_client(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Peer, CommError> {
        let ours = Opening { status: PROCEED, versions: self.versions, release: release().0 }.encode(&random()?);
        self.say(stream, &ours).await?;
        let theirs = self.opening(stream).await?;
        let opening = Opening::decode(&theirs);
        match opening.status {
            PROCEED => {}
            OTHER_VERSION => return Err(opening.mismatch(self.address, self.versions)),
            NOT_TLS => return Err(CommError::Foreign { address: self.address.clone(), speaks: Speaks::Plain }),
            _ => return Err(CommError::Foreign { address: self.address.clone(), speaks: Speaks::Unknown }),
        }
        let protocol = opening.common(self.versions).ok_or_else(|| opening.mismatch(self.address, self.versions))?;
        let mut proof = [0; PROOF_BYTES];
        stream.read_exact(&mut proof).await.map_err(|error| self.lost(&error))?;
        if !self.token.verify(&self.conversation(b"raskr server", &ours, &theirs), &proof) {
            // The other side logs that, and does not wait for more.
            let refusal = [&[TOKEN_WRONG][..], &[0; PROOF_BYTES]].concat();
            let _ = self.say(stream, &refusal).await;
            return Err(CommError::WrongToken { address: self.address.clone() });
        }
        let mut answer = vec![TOKEN_RIGHT];
        answer.extend_from_slice(&self.token.prove(&self.conversation(b"raskr client", &ours, &theirs)));
        answer.extend_from_slice(&self.hello()?);
        self.say(stream, &answer).await?;
        let mut verdict = [0];
        stream.read_exact(&mut verdict).await.map_err(|error| self.lost(&error))?;
        if verdict != [TOKEN_RIGHT] {
            return Err(CommError::WrongToken { address: self.address.clone() });
        }
        self.hear_hello(stream, protocol).await
    }

    /// The side that was connected to.
    pub async fn as_server(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Peer, CommError> {
        let theirs = match self.opening(stream).await {
            Err(error @ CommError::Foreign { speaks, .. }) => {
                self.turn_away(stream, speaks).await;
                return Err(error);
            }
            other => other?,
        };
        let opening = Opening::decode(&theirs);
        let Some(protocol) = opening.common(self.versions) else {
            let refusal = Opening { status: OTHER_VERSION, versions: self.versions, release: release().0 };
            let _ = self.say(stream, &refusal.encode(&[0; 32])).await;
            return Err(opening.mismatch(self.address, self.versions));
        };
        let ours = Opening { status: PROCEED, versions: self.versions, release: release().0 }.encode(&random()?);
        let proof = self.token.prove(&self.conversation(b"raskr server", &theirs, &ours));
        self.say(stream, &[&ours[..], &proof].concat()).await?;
        let mut answer = [0; 1 + PROOF_BYTES];
        stream.read_exact(&mut answer).await.map_err(|error| self.lost(&error))?;
        let conversation = self.conversation(b"raskr client", &theirs, &ours);
        if answer[0] != TOKEN_RIGHT || !self.token.verify(&conversation, &answer[1..]) {
            let _ = self.say(stream, &[TOKEN_WRONG]).await;
            return Err(CommError::WrongToken { address: self.address.clone() });
        }
        let peer = self.hear_hello(stream, protocol).await?;
        self.say(stream, &[&[TOKEN_RIGHT][..], &self.hello()?].concat()).await?;
        Ok(peer)
    }

    /// Answers those who came to the wrong port in their own language.
    async fn turn_away(&self, stream: &mut (impl AsyncWrite + Unpin), speaks: Speaks) {
        let text = "This is raskr's own port, not a web page: the dashboard has another one.\n";
        let answer = match speaks {
            Speaks::Http => format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            )
            .into_bytes(),
            // Whoever speaks TLS sees at once that this side does not.
            Speaks::Tls => {
                Opening { status: NOT_TLS, versions: self.versions, release: release().0 }.encode(&[0; 32]).to_vec()
            }
            _ => return,
        };
        let _ = self.say(stream, &answer).await;
    }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
