//! Questions: JSON with an `op`, found in one table, answered at once or later.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::core::Core;
use super::services::OPERATIONS;
use super::waits::Asker;
use crate::wire::Refusal;

/// A question that has been read.
pub(super) struct Ask {
    pub asker: Asker,
    pub fields: Map<String, Value>,
    pub buffers: Vec<Bytes>,
}

/// What a service says to a question.
pub(super) enum Told {
    Now(Value, Vec<Bytes>),
    /// Somebody answers when it is time.
    Later,
}

pub(super) type Said = Result<Told, Refusal>;

pub(super) type Operation = fn(&mut Core, Ask) -> Said;

pub(super) fn now(value: impl Into<Value>) -> Said {
    Ok(Told::Now(value.into(), Vec::new()))
}

pub(super) fn refusal(class: &str, message: impl Into<String>) -> Refusal {
    Refusal { class: class.to_owned(), message: message.into() }
}

impl Ask {
    fn wrong(&self, field: &str, expected: &str) -> Refusal {
        let op = self.fields.get("op").and_then(Value::as_str).unwrap_or_default();
        let found = self.fields.get(field).map_or_else(|| "nothing".to_owned(), ToString::to_string);
        refusal("ValueError", format!("{op}: {field}: expected {expected}, got {found}"))
    }

    /// A field that may be absent or null.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub fn text(&self, name: &str) -> Result<&str, Refusal> {
        self.field(name).and_then(Value::as_str).ok_or_else(|| self.wrong(name, "a text"))
    }

    /// A list of texts, or nothing for null.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = self.field(name) else { return Ok(None) };
        let texts = match value {
            Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            Value::String(text) => Some(vec![text.clone()]),
            _ => None,
        };
        texts.map(Some).ok_or_else(|| self.wrong(name, "a list of texts"))
    }

    pub fn list(&self, name: &str) -> Result<Vec<String>, Refusal> {
        self.texts(name)?.ok_or_else(|| self.wrong(name, "a list of texts"))
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.field(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| self.wrong(name, "a number from 0 on")),
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        self.field(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Seconds, or nothing for null.
    pub fn seconds(&self, name: &str) -> Result<Option<Duration>, Refusal> {
        let Some(value) = self.field(name) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0);
        let seconds = seconds.ok_or_else(|| self.wrong(name, "seconds from 0 on"))?;
        Ok(Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
    }

    pub fn timeout(&self) -> Result<Option<Duration>, Refusal> {
        self.seconds("timeout")
    }

    /// The question's only buffer.
    pub fn buffer(&mut self) -> Result<Bytes, Refusal> {
        let found = self.buffers.len();
        match (self.buffers.pop(), found) {
            (Some(buffer), 1) => Ok(buffer),
            _ => Err(self.wrong("op", &format!("one buffer with it, found {found}"))),
        }
    }
}

impl Core {
    pub fn ask(&mut self, asker: Asker, question: &str, buffers: Vec<Bytes>) {
        let told = read(question).and_then(|fields| {
            let op = fields.get("op").and_then(Value::as_str).unwrap_or_default();
            let known = OPERATIONS.iter().find(|(name, _)| *name == op);
            let (_, operation) = known.ok_or_else(|| unknown(op))?;
            operation(self, Ask { asker: asker.clone(), fields, buffers })
        });
        match told {
            Ok(Told::Now(value, buffers)) => self.answer(&asker, Ok(value.to_string()), buffers),
            Ok(Told::Later) => {}
            Err(refusal) => self.answer(&asker, Err(refusal), Vec::new()),
        }
    }
}

fn read(question: &str) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_str(question) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(refusal("ValueError", "a question is a JSON object with an 'op'")),
        Err(error) => Err(refusal("ValueError", format!("a question that is no JSON: {error}"))),
    }
}

fn unknown(op: &str) -> Refusal {
    let mut near: Vec<(usize, &str)> = OPERATIONS.iter().map(|(name, _)| (distance(name, op), *name)).collect();
    near.sort_unstable();
    let near: Vec<&str> =
        near.iter().take_while(|(far, _)| *far <= 1 + op.len() / 4).take(3).map(|(_, name)| *name).collect();
    let hint = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) };
    refusal("ValueError", format!("the scheduler knows no question '{op}'{hint}"))
}

/// How many letters have to be changed, added or left out.
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], at + 1);
        for (place, other) in two.iter().enumerate() {
            let changed = before + usize::from(letter != *other);
            before = row[place + 1];
            row[place + 1] = changed.min(before + 1).min(row[place] + 1);
        }
    }
    row[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_is_not_known_is_answered_with_near_ones() {
        let message = unknown("lock_aquire").message;
        assert_eq!(message, "the scheduler knows no question 'lock_aquire'; did you mean lock_acquire?");
        assert_eq!(unknown("zzzzzz").message, "the scheduler knows no question 'zzzzzz'");
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
