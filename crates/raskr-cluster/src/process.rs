//! Processes of this machine: whether one still lives, and which listens on a port.

use std::fs;
use std::path::Path;

/// Tells this run of this machine from all others; empty where the system doesn't say.
pub fn machine_id() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    // Containers share the machine but not its processes' numbers.
    let namespace = fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    let id = format!("{} {namespace}", boot.trim());
    id.trim().to_owned()
}

/// What this machine is called, where the system says so without more ado.
pub(crate) fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// When a process began, in the kernel's units; with the pid it names one process for ever.
pub(crate) fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the 20th field after it is the time.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Does that very process still exist? Where the system does not say when it began: does any of that number?
pub(crate) fn is_alive(pid: u32, began: Option<u64>) -> bool {
    if Path::new("/proc/self/stat").exists() {
        return started(pid).is_some_and(|now| began.is_none_or(|then| then == now));
    }
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// The same for a process that has not ended: one that nobody has waited for yet still exists, and does not run.
pub(crate) fn is_running(pid: u32, began: Option<u64>) -> bool {
    let ended = fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X'])));
    !ended && is_alive(pid, began)
}

/// Which process listens on a TCP port, as far as the system tells this user: `pid 123 (raskr scheduler)`.
pub fn listens_on(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| {
            table
                .lines()
                .skip(1)
                .filter_map(|line| Some(format!("socket:[{}]", listening_inode(line, port)?)))
                .collect::<Vec<_>>()
        })
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let owns = |pid: u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        files
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()))
            .then_some(pid)
    };
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.into_iter().find_map(owns)?;
    Some(match name_of(pid) {
        Some(name) => format!("pid {pid} ({name})"),
        None => format!("pid {pid}"),
    })
}

/// The inode of a socket in a line of the kernel's table, if it listens on the port.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let found = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    (state == "0A" && found == port).then_some(inode)
}

/// The program and its first argument that is no option: arguments may hold what is not for others to see.
fn name_of(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let base = |word: &str| Path::new(word).file_name().map(|name| name.to_string_lossy().into_owned());
    let program = base(&words.next()?)?;
    let next = words.next().filter(|word| !word.is_empty() && !word.starts_with('-')).and_then(|word| base(&word));
    Some(match next {
        Some(next) => format!("{program} {next}"),
        None => program,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_one_that_began_at_another_time_is_not() {
        let pid = std::process::id();
        assert!(is_alive(pid, started(pid)) && is_alive(pid, None));
        if let Some(began) = started(pid) {
            assert!(!is_alive(pid, Some(began + 1)));
        }
        assert!(!is_alive(u32::MAX, None));
    }

    #[test]
    fn the_kernels_table_of_sockets_is_read() {
        let line =
            "   0: 0100007F:2252 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 98765 1 0000";
        assert_eq!(listening_inode(line, 0x2252), Some("98765"));
        assert_eq!(listening_inode(line, 80), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), 0x2252), None);
        assert_eq!(listening_inode("", 80), None);
    }
}
