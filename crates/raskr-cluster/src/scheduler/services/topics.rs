//! Topics: events that workers and clients log, kept for a while and told to those who listen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::asked::{Ask, Said, Told, refusal};
use super::super::core::Core;
use super::nothing;
use crate::wire::ClientHears;

/// Events that are kept of a topic.
const KEPT: usize = 10_000;
/// And their bytes, of all topics together.
const KEPT_BYTES: usize = 256 << 20;

#[derive(Default)]
pub(super) struct Topics {
    topics: BTreeMap<String, VecDeque<(f64, Bytes)>>,
    bytes: usize,
}

impl Topics {
    fn keep(&mut self, topic: &str, at: f64, event: Bytes) {
        self.bytes += event.len();
        let events = self.topics.entry(topic.to_owned()).or_default();
        events.push_back((at, event));
        if events.len() > KEPT
            && let Some((_, event)) = events.pop_front()
        {
            self.bytes -= event.len();
        }
        while self.bytes > KEPT_BYTES {
            // Of the topic with most events the oldest goes.
            let longest = self.topics.values_mut().max_by_key(|events| events.len());
            let Some((_, event)) = longest.and_then(VecDeque::pop_front) else { return };
            self.bytes -= event.len();
        }
    }
}

/// Keeps an event and tells those who listen.
pub(super) fn say(core: &mut Core, topic: &str, event: Bytes) {
    let at = core.seconds(core.now());
    let name: Arc<str> = Arc::from(topic);
    for end in core.clients.values_mut().filter(|end| end.topics.contains(topic)) {
        end.pipe.send(ClientHears::Event { topic: name.clone() }, vec![event.clone()]);
    }
    core.services.topics.keep(topic, at, event);
}

pub(super) fn log_event(core: &mut Core, mut ask: Ask) -> Said {
    let (topics, event) = (ask.list("topics")?, ask.buffer()?);
    for topic in topics {
        say(core, &topic, event.clone());
    }
    nothing()
}

fn list<'a>(events: impl Iterator<Item = &'a (f64, Bytes)>, buffers: &mut Vec<Bytes>) -> Value {
    let listed = events.map(|(at, event)| {
        buffers.push(event.clone());
        json!([at, buffers.len() - 1])
    });
    Value::Array(listed.collect())
}

pub(super) fn events(core: &mut Core, ask: Ask) -> Said {
    let topics = &core.services.topics.topics;
    let mut buffers = Vec::new();
    let value = match ask.field("topic") {
        Some(_) => {
            let kept = topics.get(ask.text("topic")?);
            json!({ "events": list(kept.into_iter().flatten(), &mut buffers) })
        }
        None => {
            let all = topics.iter().map(|(name, kept)| (name.clone(), list(kept.iter(), &mut buffers)));
            json!({ "topics": Value::Object(all.collect()) })
        }
    };
    Ok(Told::Now(value, buffers))
}

fn listen(core: &mut Core, ask: &Ask, on: bool) -> Said {
    let topic = ask.text("topic")?;
    let client = ask.asker.client().and_then(|client| core.clients.get_mut(&client));
    let client = client.ok_or_else(|| refusal("ValueError", "only clients can listen to topics"))?;
    if on {
        client.topics.insert(topic.to_owned());
    } else {
        client.topics.remove(topic);
    }
    nothing()
}

pub(super) fn subscribe(core: &mut Core, ask: Ask) -> Said {
    listen(core, &ask, true)
}

pub(super) fn unsubscribe(core: &mut Core, ask: Ask) -> Said {
    listen(core, &ask, false)
}
