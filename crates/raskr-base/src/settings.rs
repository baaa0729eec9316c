//! The one table of settings: name, kind, default and meaning of everything that a user can configure.
//!
//! YAML files, `RASKR_` variables and `raskr.config.set` all speak of these names; the reference page is made from here.

/// What values a setting takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Bool,
    Int,
    Float,
    /// A number of bytes, or text such as `"128 MiB"`.
    Bytes,
    /// Seconds, or text such as `"300 ms"`.
    Duration,
    Text,
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A word, or any object of the library's own or the user's (a scheduler's `get`).
    WordOrObject,
}

impl Kind {
    /// How the kind is named to users.
    pub fn describe(self) -> String {
        match self {
            Kind::Bool => "true or false".into(),
            Kind::Int => "a whole number".into(),
            Kind::Float => "a number".into(),
            Kind::Bytes => "bytes, such as 1000000 or \"128 MiB\"".into(),
            Kind::Duration => "seconds, or text such as \"300 ms\"".into(),
            Kind::Text => "text".into(),
            Kind::Path => "a path".into(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::WordOrObject => "a name, or an object".into(),
        }
    }
}

/// What holds when the user says nothing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Preset {
    /// Nothing is set; the documentation of the setting says what happens then.
    Unset,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'static str),
}

/// One setting.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Setting {
    /// Dots separate levels, hyphens words.
    pub name: &'static str,
    pub kind: Kind,
    pub default: Preset,
    pub doc: &'static str,
}

const fn setting(name: &'static str, kind: Kind, default: Preset, doc: &'static str) -> Setting {
    Setting { name, kind, default, doc }
}

/// Every setting, in the order of the reference page.
pub const SETTINGS: &[Setting] = &[
    setting(
        "scheduler",
        Kind::WordOrObject,
        Preset::Unset,
        "Who runs tasks: threads, sync (also synchronous, single-threaded), or a function like raskr.threaded.get. \
         Unset: each collection's own choice, which is threads for arrays and delayed calls.",
    ),
    setting(
        "num_workers",
        Kind::Int,
        Preset::Unset,
        "How many threads, or processes, run tasks. Unset: one for each processor.",
    ),
    setting(
        "pool",
        Kind::WordOrObject,
        Preset::Unset,
        "A concurrent.futures executor or multiprocessing pool that runs tasks. For one of plain threads, as many of \
         raskr's own do.",
    ),
    setting(
        "chunksize",
        Kind::Int,
        Preset::Unset,
        "The most tasks that are handed to another process together; -1 divides those that are ready evenly. Unset: as \
         many as take some milliseconds.",
    ),
    setting(
        "multiprocessing.context",
        Kind::Text,
        Preset::Text("spawn"),
        "A context of Python's multiprocessing. It must exist on this system; processes are started afresh by all of them.",
    ),
    setting(
        "multiprocessing.initializer",
        Kind::WordOrObject,
        Preset::Unset,
        "A function that is called in each process before its first task.",
    ),
    setting(
        "memory-limit",
        Kind::Bytes,
        Preset::Unset,
        "Bytes that results and running tasks may take before work waits and kept values are written to disk. What the \
         process has when a run starts counts within the limit, up to a quarter of it. Unset: 80% of what the machine, or \
         its control group, has.",
    ),
    setting(
        "temporary-directory",
        Kind::Path,
        Preset::Unset,
        "Where values are written that don't fit the memory limit. Unset: the system's folder for temporary files.",
    ),
    setting(
        "delayed_pure",
        Kind::Bool,
        Preset::Bool(false),
        "Are delayed functions taken for pure (equal arguments, equal result, one key) unless pure= says so?",
    ),
    setting(
        "tokenize.ensure-deterministic",
        Kind::Bool,
        Preset::Bool(false),
        "Is it an error to tokenize an object that has no content-based token? Otherwise it gets a random one.",
    ),
    setting(
        "visualization.engine",
        Kind::Text,
        Preset::Unset,
        "Which drawing engine visualize uses. Unset: raskr's own, which needs nothing installed.",
    ),
    setting("array.backend", Kind::Text, Preset::Text("numpy"), "The library whose arrays are created."),
    setting(
        "array.chunk-size",
        Kind::Bytes,
        Preset::Text("128MiB"),
        "The size that chunks=\"auto\" aims at for one chunk.",
    ),
    setting(
        "array.chunk-size-tolerance",
        Kind::Float,
        Preset::Float(1.25),
        "How many times larger than array.chunk-size a chunk may grow where an operation chooses chunks.",
    ),
    setting(
        "array.rechunk.method",
        Kind::Choice(&["tasks", "p2p"]),
        Preset::Unset,
        "How chunks are rearranged. Unset: the engine chooses; on threads the methods do not differ.",
    ),
    setting(
        "array.rechunk.threshold",
        Kind::Int,
        Preset::Int(4),
        "How many times more pieces than chunks a rechunk may have before it goes through intermediate chunks.",
    ),
    setting(
        "array.slicing.split-large-chunks",
        Kind::Bool,
        Preset::Unset,
        "Are chunks split that indexing makes too large? Unset: yes, with a warning.",
    ),
    setting("array.svg.size", Kind::Int, Preset::Int(120), "Pixels of the longest side of an array's picture."),
    setting(
        "distributed.client.kept-bytes",
        Kind::Bytes,
        Preset::Text("256MiB"),
        "Bytes of values that a client keeps of what it sent (those of up to 10 MB), to send them again when the workers that \
         had them are lost. What comes when there is no room is sent and not kept.",
    ),
];

/// The setting of a name; hyphens and underscores are the same.
pub fn find(name: &str) -> Option<&'static Setting> {
    let same = |a: u8, b: u8| a == b || (matches!(a, b'-' | b'_') && matches!(b, b'-' | b'_'));
    SETTINGS.iter().find(|setting| {
        setting.name.len() == name.len() && setting.name.bytes().zip(name.bytes()).all(|(a, b)| same(a, b))
    })
}

/// The reference page, in Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         Set them with `raskr.config.set({\"name\": value})`, in a YAML file in `~/.config/raskr`, or with a variable of the\n\
         environment: `RASKR_ARRAY__CHUNK_SIZE` for `array.chunk-size` (two underscores for a dot).\n\n\
         | name | values | default | meaning |\n|---|---|---|---|\n",
    );
    for setting in SETTINGS {
        let default = match setting.default {
            Preset::Unset => "unset".to_owned(),
            Preset::Bool(value) => format!("`{value}`"),
            Preset::Int(value) => format!("`{value}`"),
            Preset::Float(value) => format!("`{value}`"),
            Preset::Text(value) => format!("`{value}`"),
        };
        page += &format!("| `{}` | {} | {default} | {} |\n", setting.name, setting.kind.describe(), setting.doc);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_with_either_separator() {
        for setting in SETTINGS {
            assert_eq!(find(setting.name), Some(setting));
            assert_eq!(find(&setting.name.replace('-', "_")), Some(setting));
        }
        assert_eq!(find("array.chunk-sizes"), None);
    }

    #[test]
    fn defaults_are_of_their_kind() {
        for setting in SETTINGS {
            let fits = match setting.default {
                Preset::Unset => true,
                Preset::Bool(_) => setting.kind == Kind::Bool,
                Preset::Int(_) => matches!(setting.kind, Kind::Int | Kind::Bytes | Kind::Float | Kind::Duration),
                Preset::Float(_) => matches!(setting.kind, Kind::Float | Kind::Duration),
                Preset::Text(text) => match setting.kind {
                    Kind::Bytes => crate::sizes::parse_bytes(text).is_ok(),
                    Kind::Duration => crate::sizes::parse_duration(text).is_ok(),
                    Kind::Choice(words) => words.contains(&text),
                    kind => matches!(kind, Kind::Text | Kind::Path | Kind::WordOrObject),
                },
            };
            assert!(fits, "{setting:?}");
        }
    }
}
