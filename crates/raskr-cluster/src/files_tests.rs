//! State and scheduler files: who can read them, what is found by them, and when they go.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A folder for one test, removed after it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("raskr-files-{}", hex(&random::<8>().expect("random"))));
        private_folder(&path).expect("a folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn cluster(address: &str) -> ClusterFile {
    let security = Security::new(Token::random().expect("random"));
    ClusterFile::new(address.parse().expect("an address"), Vec::new(), security).expect("a cluster")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .expect("listed")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into())
        .collect()
}

#[test]
fn a_cluster_is_found_by_its_address_while_it_is_published() {
    let folder = Folder::new();
    let states = folder.0.join("a/clusters");
    let one = cluster("tcp://127.0.0.1:7001");
    let published = one.publish_in(&states).expect("published");
    assert_eq!((mode(&states), mode(published.path())), (0o700, 0o600));
    assert_eq!(names(&states).len(), 1, "nothing is left beside it");
    for typed in ["127.0.0.1:7001", "localhost:7001", "[::1]:7001"] {
        let (_, security) = find_in(Some(&states), None, &typed.parse().expect("an address")).expect(typed);
        assert!(security.token().is_same(one.security.token()));
    }
    let other: Address = "127.0.0.1:7002".parse().expect("an address");
    let error = find_in(Some(&states), None, &other).expect_err("unknown");
    assert!(error.to_string().contains("tcp://127.0.0.1:7002: no token is known for it: set RASKR_TOKEN"), "{error}");
    drop(published);
    assert!(names(&states).is_empty());
}

#[test]
fn a_cluster_tells_its_scheme_and_that_it_is_insecure() {
    let folder = Folder::new();
    let mut cluster = cluster("tcp://node7:7003");
    cluster.security = cluster.security.insecure();
    cluster.other_addresses.push("unix:///run/raskr/x".parse().expect("an address"));
    let _published = cluster.publish_in(&folder.0).expect("published");
    let (address, security) =
        find_in(Some(&folder.0), None, &"node7:7003".parse().expect("an address")).expect("found");
    assert_eq!((address.to_string().as_str(), security.is_insecure()), ("tcp://node7:7003", true));
    assert!(find_in(Some(&folder.0), None, &"unix:///run/raskr/x".parse().expect("an address")).is_ok());
}

#[test]
fn files_of_processes_that_are_gone_are_removed_and_those_of_other_machines_stay() {
    let folder = Folder::new();
    let mut gone = cluster("tcp://127.0.0.1:7004");
    gone.began = Some(1);
    let mut elsewhere = cluster("tcp://127.0.0.1:7005");
    (elsewhere.began, elsewhere.machine, elsewhere.host) = (Some(1), "another".into(), "elsewhere".into());
    let mut before = cluster("tcp://127.0.0.1:7009");
    before.machine = "an earlier run".into();
    let published = [&gone, &elsewhere, &before].map(|cluster| cluster.publish_in(&folder.0).expect("published"));
    let found: Vec<String> = clusters_in(&folder.0).into_iter().map(|cluster| cluster.id).collect();
    assert_eq!(found, [elsewhere.id.clone()]);
    assert_eq!(names(&folder.0), [format!("{}.json", elsewhere.id)]);
    drop(published);
}

#[test]
fn a_scheduler_file_is_replaced_by_a_later_start_which_the_earlier_one_leaves_alone() {
    let folder = Folder::new();
    let path = folder.0.join("scheduler.json");
    let (one, two) = (cluster("tcp://127.0.0.1:7006"), cluster("tcp://127.0.0.1:7007"));
    let first = one.write(&path).expect("written");
    let second = two.write(&path).expect("written");
    assert_eq!(mode(&path), 0o600);
    drop(first);
    let read = ClusterFile::read(&path).expect("read");
    assert_eq!((read.id, read.address), (two.id.clone(), two.address.clone()));
    assert!(read.security.token().is_same(two.security.token()));
    let text = fs::read_to_string(&path).expect("read");
    assert!(text.contains("BEGIN CERTIFICATE") && text.contains(&two.security.token().reveal()));
    drop(second);
    assert!(!path.exists());
}

#[test]
fn what_is_no_scheduler_file_is_told_and_the_token_in_it_is_not() {
    let folder = Folder::new();
    let path = folder.0.join("scheduler.json");
    let reads = |text: &str, mode: u32| {
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        ClusterFile::read(&path).expect_err("refused").to_string()
    };
    for text in ["", "  \n", "{", "[]", "{\"address\": \"tcp://h:1\"}", "{\"address\": 5}"] {
        let error = reads(text, 0o600);
        assert!(error.contains("scheduler.json: expected a scheduler file, found"), "{error}");
    }
    let error = reads(
        "{\"id\":\"x\",\"address\":\"tcp://h:1\",\"token\":\"sesame\",\"ca\":\"\",\"version\":\"1\",\"pid\":1}",
        0o600,
    );
    assert!(error.contains("64 hexadecimal digits") && !error.contains("sesame"), "{error}");
    assert!(reads("{}", 0o666).contains("others can write to"));
    let missing = ClusterFile::read(&folder.0.join("none.json")).expect_err("refused").to_string();
    assert!(missing.contains("none.json: could not read it"), "{missing}");
}

#[test]
fn files_that_others_could_have_written_or_read_are_not_trusted() {
    let folder = Folder::new();
    let published = cluster("tcp://127.0.0.1:7008").publish_in(&folder.0).expect("published");
    fs::set_permissions(published.path(), fs::Permissions::from_mode(0o640)).expect("set");
    assert!(clusters_in(&folder.0).is_empty());
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).expect("set");
    private_folder(&folder.0).expect("made private");
    assert_eq!(mode(&folder.0), 0o700);
}

#[test]
fn a_state_file_comes_before_the_environment_and_loopback_elsewhere_is_not_ours() {
    let folder = Folder::new();
    let token = Token::random().expect("random");
    let address: Address = "localhost:7010".parse().expect("an address");
    let find = || find_in(Some(&folder.0), Some(token.clone()), &address).expect("found").1;
    assert!(find().token().is_same(&token));
    let mut elsewhere = cluster("tcp://127.0.0.1:7010");
    (elsewhere.machine, elsewhere.host) = ("another".into(), "elsewhere".into());
    let published = elsewhere.publish_in(&folder.0).expect("published");
    assert!(find().token().is_same(&token));
    let here = cluster("tcp://127.0.0.1:7010");
    let _published = (published, here.publish_in(&folder.0).expect("published"));
    assert!(find().token().is_same(here.security.token()));
}
