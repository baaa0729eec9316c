//! How much memory there is: what a run may take when the user does not say, and what processes have.

use std::fs;
use std::path::{Path, PathBuf};

/// Numerator and denominator of the share: the rest is for the interpreter, the system and estimates that were low.
const SHARE: (u64, u64) = (4, 5);

/// 80 % of the smallest of the machine's memory and the limits of its control groups (version 1 or 2); `None` where
/// the system does not tell.
pub fn default_memory_limit() -> Option<u64> {
    let smallest = [machine_bytes(), group_bytes(Path::new("/"))].into_iter().flatten().min()?;
    Some(smallest / SHARE.1 * SHARE.0)
}

/// Bytes of memory that this process has.
pub fn resident_bytes() -> u64 {
    resident(std::process::id()).map_or(0, |(all, _)| all)
}

/// Bytes of memory that a process has for itself: what it shares with others is not counted.
pub fn private_bytes(pid: u32) -> u64 {
    resident(pid).map_or(0, |(all, shared)| all.saturating_sub(shared))
}

/// Bytes of a process, and those of them that are of files or shared; `None` where the system does not tell.
fn resident(pid: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = text.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let page = rustix::param::page_size() as u64;
    Some((pages.next()?.ok()? * page, pages.next()?.ok()? * page))
}

#[cfg(not(target_os = "macos"))]
fn machine_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(target_os = "macos")]
fn machine_bytes() -> Option<u64> {
    let output = std::process::Command::new("/usr/sbin/sysctl").args(["-n", "hw.memsize"]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The smallest limit of the groups that this process is in, with the file system's root at `root`.
fn group_bytes(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mut smallest: Option<u64> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            other if other.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        // Inside a container the path may be the host's; the mount itself is then the container's own group.
        let mount = root.join(mount);
        let mut group: Option<PathBuf> = Some(mount.join(path.trim_start_matches('/')));
        while let Some(at) = group {
            let limit = fs::read_to_string(at.join(file)).ok().and_then(|text| text.trim().parse::<u64>().ok());
            smallest = [smallest, limit].into_iter().flatten().min();
            group = at.parent().filter(|parent| at != mount && parent.starts_with(&mount)).map(Path::to_path_buf);
        }
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(name: &str, files: &[(&str, &str)]) -> Option<u64> {
        let root = std::env::temp_dir().join(format!("raskr-limit-test-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(path, text).expect("writable");
        }
        let found = group_bytes(&root);
        fs::remove_dir_all(root).expect("ours");
        found
    }

    #[test]
    fn the_tightest_of_nested_groups_counts() {
        let found = system(
            "two",
            &[
                ("proc/self/cgroup", "0::/user/job\n"),
                ("sys/fs/cgroup/user/job/memory.max", "max\n"),
                ("sys/fs/cgroup/user/memory.max", "4000000\n"),
                ("sys/fs/cgroup/memory.max", "9000000\n"),
            ],
        );
        assert_eq!(found, Some(4_000_000));
    }

    #[test]
    fn version_one_and_foreign_paths_are_understood() {
        let found = system(
            "one",
            &[
                ("proc/self/cgroup", "7:cpu:/x\n5:memory:/docker/abc\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "123456\n"),
            ],
        );
        assert_eq!(found, Some(123_456));
    }

    #[test]
    fn no_limit_is_no_limit() {
        assert_eq!(system("none", &[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")]), None);
        assert_eq!(group_bytes(Path::new("/nowhere")), None);
    }

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    #[test]
    fn this_machine_has_memory() {
        assert!(default_memory_limit().is_some_and(|limit| limit > 1 << 20));
    }
}
