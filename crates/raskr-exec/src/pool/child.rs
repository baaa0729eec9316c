//! A child process as its parent sees it.
// `unsafe` is allowed here: a child's end is waited for.
#![allow(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::{Arc, Once, Weak};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smallvec::SmallVec;

use super::bell::Bell;
use super::message::{self, CallMessage, Message, Received};
use super::serve::{Encoded, NO_CALL};
use super::shared::SharedBuffer;

/// How long a process may take to end once it has closed its end of the socket.
const ENDING_TIME: Duration = Duration::from_millis(500);
const ENDING_POLL: Duration = Duration::from_millis(1);

/// What systems take for a limit of open files where theirs is unlimited.
const OPEN_FILES_MAX: u64 = if cfg!(target_os = "linux") { 1 << 20 } else { 10_240 };

/// Functions and the like that an idle child keeps at most, so that a loop that makes new ones doesn't fill its memory.
const KNOWN_MAX: usize = 1000;

/// How a child is started. Its standard input leads to the parent ([`stream_of_parent`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Start {
    pub program: OsString,
    pub arguments: Vec<OsString>,
    pub variables: Vec<(OsString, OsString)>,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    pub signal: Option<i32>,
    pub code: Option<i32>,
    /// The most memory that it was seen to have at a time; 0 when nobody looked.
    pub peak_bytes: u64,
}

/// One call to be sent.
pub struct CallOut {
    pub id: u32,
    pub call: Vec<u8>,
    pub inputs: Vec<Arc<Encoded>>,
}

/// A running child process. Dropping it ends it.
pub struct Child {
    pid: u32,
    stream: UnixStream,
    status: Arc<SharedBuffer>,
    /// What the process holds until it is told otherwise.
    sent_buffers: HashMap<u64, Weak<SharedBuffer>>,
    known: HashSet<u64>,
    peak_bytes: u64,
    ended: Option<Exit>,
}

impl Child {
    pub fn start(start: &Start) -> io::Result<Child> {
        Ok(Child::start_with(start, false)?.0)
    }

    /// The same, and what the child writes to its standard error.
    pub fn start_watched(start: &Start) -> io::Result<(Child, ChildStderr)> {
        let (child, errors) = Child::start_with(start, true)?;
        Ok((child, errors.ok_or(io::ErrorKind::NotFound)?))
    }

    fn start_with(start: &Start, watched: bool) -> io::Result<(Child, Option<ChildStderr>)> {
        raise_limit_of_files();
        let (here, there) = UnixStream::pair()?;
        let mut command = Command::new(&start.program);
        // The socket comes as the standard input: nothing has to be done between fork and exec then, so that the system's
        // own spawning is used, which runs no handlers of libraries. OpenBLAS's wait for its threads, for ever when two
        // threads start processes at a time.
        command.args(&start.arguments).stdin(Stdio::from(OwnedFd::from(there)));
        command.envs(start.variables.iter().map(|(name, value)| (name, value)));
        if watched {
            command.stderr(Stdio::piped());
        }
        let mut process = command.spawn()?;
        let errors = process.stderr.take();
        drop(command);
        let status = SharedBuffer::copy_of(&NO_CALL.to_ne_bytes())?;
        let pid = process.id();
        let child = Child {
            pid,
            stream: here,
            status,
            sent_buffers: HashMap::new(),
            known: HashSet::new(),
            peak_bytes: 0,
            ended: None,
        };
        Ok((child, errors))
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Gives the child what the language above needs there; the answer is `Message::Ready`.
    pub fn set_up(&mut self, setup: &Encoded) -> io::Result<()> {
        let mut setup = setup.clone();
        setup.buffers.insert(0, Arc::clone(&self.status));
        self.send_buffers(&setup.buffers)?;
        message::send(&self.stream, &Message::Setup(setup.body()))
    }

    /// Makes something known under an id, unless it is already.
    pub fn make_known(&mut self, id: u64, encoded: &Encoded) -> io::Result<()> {
        if self.known.insert(id) {
            self.send_buffers(&encoded.buffers)?;
            message::send(&self.stream, &Message::Known { id, body: encoded.body() })?;
        }
        Ok(())
    }

    pub fn send_batch(&mut self, shared: &Encoded, calls: Vec<CallOut>) -> io::Result<()> {
        if self.peak_bytes == 0 {
            self.look_at_memory();
        }
        self.forget_dropped()?;
        self.send_buffers(&shared.buffers)?;
        for call in &calls {
            for input in &call.inputs {
                self.send_buffers(&input.buffers)?;
            }
        }
        let each = |call: CallOut| {
            let inputs = call.inputs.iter().map(|input| input.body()).collect();
            CallMessage { id: call.id, call: call.call, inputs }
        };
        let calls = calls.into_iter().map(each).collect();
        message::send(&self.stream, &Message::Batch { shared: shared.body(), calls })
    }

    pub fn retract(&mut self) -> io::Result<()> {
        message::send(&self.stream, &Message::Retract)
    }

    /// Has the child take the next calls while this one runs, if it does; the answer is `Message::Away`.
    pub fn pass_on(&mut self, id: u32) -> io::Result<()> {
        message::send(&self.stream, &Message::PassOn(id))
    }

    /// Lets the child drop all buffers that were sent, and what is known under `ids`; all that is known, if that is much.
    pub fn forget(&mut self, ids: &[u64]) -> io::Result<()> {
        let known: Vec<u64> = match self.known.len() {
            0..=KNOWN_MAX => ids.iter().copied().filter(|id| self.known.remove(id)).collect(),
            _ => self.known.drain().collect(),
        };
        let buffers: Vec<u64> = self.sent_buffers.drain().map(|(id, _)| id).collect();
        if known.is_empty() && buffers.is_empty() {
            return Ok(());
        }
        message::send(&self.stream, &Message::Forget { known, buffers })
    }

    /// Lets the child drop what is known under `ids`.
    pub fn forget_known(&mut self, ids: &[u64]) -> io::Result<()> {
        let known: Vec<u64> = ids.iter().copied().filter(|id| self.known.remove(id)).collect();
        if known.is_empty() {
            return Ok(());
        }
        message::send(&self.stream, &Message::Forget { known, buffers: Vec::new() })
    }

    /// Lets the child drop buffers that nobody has here any more.
    fn forget_dropped(&mut self) -> io::Result<()> {
        let dropped = self.sent_buffers.extract_if(|_, buffer| buffer.strong_count() == 0);
        let buffers: Vec<u64> = dropped.map(|(id, _)| id).collect();
        if buffers.is_empty() {
            return Ok(());
        }
        message::send(&self.stream, &Message::Forget { known: Vec::new(), buffers })
    }

    fn send_buffers(&mut self, buffers: &[Arc<SharedBuffer>]) -> io::Result<()> {
        let mut new = Vec::new();
        for buffer in buffers {
            if self.sent_buffers.insert(buffer.id(), Arc::downgrade(buffer)).is_none() {
                new.push(Arc::clone(buffer));
            }
        }
        if new.is_empty() { Ok(()) } else { message::send_buffers(&self.stream, &new) }
    }

    /// The next message, or nothing within the time; an error of the kind `UnexpectedEof` when the child has gone.
    pub fn receive(&mut self, timeout: Duration) -> io::Result<Option<Received>> {
        self.receive_first(timeout, None)
    }

    /// The same, or nothing when the bell rings.
    pub fn receive_or_bell(&mut self, timeout: Duration, bell: &Bell) -> io::Result<Option<Received>> {
        self.receive_first(timeout, Some(bell))
    }

    fn receive_first(&mut self, timeout: Duration, bell: Option<&Bell>) -> io::Result<Option<Received>> {
        let mut watched: SmallVec<[PollFd<'_>; 2]> = SmallVec::new();
        watched.push(PollFd::new(&self.stream, PollFlags::IN));
        watched.extend(bell.map(|bell| PollFd::new(bell, PollFlags::IN)));
        let time =
            rustix::event::Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        match poll(&mut watched, Some(&time)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(bell) = bell {
            bell.quiet();
        }
        if watched.first().is_none_or(|stream| stream.revents().is_empty()) {
            return Ok(None);
        }
        match message::receive(&self.stream)? {
            Some(received) => Ok(Some(received)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The call that is being run, as the child last said.
    pub fn running(&self) -> Option<u32> {
        let id = self.status.read_word();
        (id != NO_CALL).then_some(id)
    }

    /// Notes how much memory the child has had so far, for the day that it ends of it. What the system tells after the
    /// end counts the parent's memory in.
    pub fn look_at_memory(&mut self) {
        let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", self.pid)) else { return };
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
        self.peak_bytes = self.peak_bytes.max(kibibytes.unwrap_or_default() << 10);
    }

    /// Is the process still there?
    pub fn is_alive(&mut self) -> bool {
        self.ended.is_none() && !self.collect(true)
    }

    /// Ends the process, and says how it ended (which may have been before).
    pub fn end(&mut self) -> Exit {
        if self.ended.is_none() && !self.collect(true) {
            if let Some(pid) = rustix::process::Pid::from_raw(self.pid as i32) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            self.collect(false);
        }
        self.how_ended()
    }

    /// How a process ended that nothing more can be had from; it is ended if it does not end by itself at once.
    pub fn wait(&mut self) -> Exit {
        let begun = Instant::now();
        while self.ended.is_none() && !self.collect(true) && begun.elapsed() < ENDING_TIME {
            std::thread::sleep(ENDING_POLL);
        }
        self.end()
    }

    fn how_ended(&self) -> Exit {
        self.ended.unwrap_or(Exit { signal: None, code: None, peak_bytes: self.peak_bytes })
    }

    /// Asks for the process' end; true when it has ended.
    fn collect(&mut self, at_once: bool) -> bool {
        let mut status = 0;
        let flags = if at_once { libc::WNOHANG } else { 0 };
        let found = loop {
            // SAFETY: the process is a child of this one that nobody else waits for.
            let found = unsafe { libc::waitpid(self.pid as i32, &raw mut status, flags) };
            if found >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                break found;
            }
        };
        if found == 0 {
            return false;
        }
        let exited = found > 0 && libc::WIFEXITED(status);
        let signaled = found > 0 && libc::WIFSIGNALED(status);
        self.ended = Some(Exit {
            signal: signaled.then(|| libc::WTERMSIG(status)),
            code: exited.then(|| libc::WEXITSTATUS(status)),
            peak_bytes: self.peak_bytes,
        });
        true
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends a process that is a child's.
pub fn kill(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid as i32) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Lets this process, and those that it starts, have as many files open as the system allows: each large result that waits
/// is one.
fn raise_limit_of_files() {
    static RAISED: Once = Once::new();
    RAISED.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        let wanted = limit.maximum.map_or(OPEN_FILES_MAX, |maximum| maximum.min(OPEN_FILES_MAX));
        if limit.current.is_some_and(|current| current < wanted) {
            // Where it can't be raised, fewer large results fit.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
        }
    });
}

/// The stream to the parent, which is this process' standard input; that becomes empty.
pub fn stream_of_parent() -> io::Result<UnixStream> {
    let input = io::stdin();
    let stream = UnixStream::from(input.as_fd().try_clone_to_owned()?);
    stream.peer_addr()?;
    let nothing = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(stream)
}
