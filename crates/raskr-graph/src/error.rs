//! What can be wrong with a graph.

use raskr_base::ErrorClass;

/// Keys of a cycle that are listed before the rest is only counted.
const CYCLE_KEYS_MAX: usize = 12;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GraphError {
    /// The keys in the order in which each takes the next; the last takes the first.
    #[error("the graph has a cycle, so none of its tasks can run first: {}", show_cycle(.keys))]
    Cycle { keys: Vec<String> },
    #[error("task '{task}' takes task {index} of layer '{layer}', which has {len} tasks")]
    MissingTask { task: String, layer: String, index: u32, len: u32 },
    #[error("task '{task}' takes a task of layer number {layer}, but the graph has {layers} layers")]
    MissingLayer { task: String, layer: u32, layers: usize },
    #[error("output {output} of the graph is task {index} of layer {layer}, which does not exist")]
    MissingOutput { output: usize, layer: String, index: u32 },
    #[error("the graph has more than {limit} {what}; use larger chunks")]
    TooLarge { what: &'static str, limit: u32 },
}

impl GraphError {
    pub fn class(&self) -> ErrorClass {
        match self {
            GraphError::Cycle { .. } | GraphError::TooLarge { .. } => ErrorClass::Value,
            GraphError::MissingTask { .. } | GraphError::MissingLayer { .. } | GraphError::MissingOutput { .. } => {
                ErrorClass::Key
            }
        }
    }
}

fn show_cycle(keys: &[String]) -> String {
    let mut text = keys.iter().take(CYCLE_KEYS_MAX).map(|key| format!("'{key}'")).collect::<Vec<_>>().join(" -> ");
    if keys.len() > CYCLE_KEYS_MAX {
        text += &format!(" -> ({} more)", keys.len() - CYCLE_KEYS_MAX);
    }
    match keys.first() {
        Some(first) => text + &format!(" -> '{first}'"),
        None => text,
    }
}
