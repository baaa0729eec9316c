//! Clients' connections: each is a client from its greeting to its end.

use std::collections::BTreeSet;
use std::sync::Arc;

use raskr_sched::{ClientId, Event, ToClient};
use serde_json::json;

use super::core::Core;
use super::lines::split;
use super::pipe::Pipe;
use super::waits::Asker;
use crate::connection::{Message, Sender};
use crate::handshake::Peer;
use crate::wire::{ClientHears, ClientSays};

pub(super) struct ClientEnd {
    pub pipe: Pipe<ClientHears>,
    pub peer: Peer,
    /// Nothing before its greeting.
    pub name: Option<Arc<str>>,
    pub topics: BTreeSet<String>,
    outbox: Vec<ToClient>,
}

impl ClientEnd {
    pub fn new(sender: Sender<ClientHears>, peer: Peer) -> ClientEnd {
        ClientEnd { pipe: Pipe::new(sender), peer, name: None, topics: BTreeSet::new(), outbox: Vec::new() }
    }
}

/// Roughly what a message takes on the wire.
fn size(message: &ToClient) -> usize {
    match message {
        ToClient::Failed { failure, .. } => match &failure.kind {
            raskr_sched::FailureKind::Raised(raised) => 256 + raised.encoded.0.len() + raised.message.len(),
            _ => 4096,
        },
        ToClient::Finished { value, .. } => 32 + value.as_ref().map_or(0, |value| value.0.len()),
        ToClient::Located { found, .. } => 64 * found.len(),
        ToClient::Workers(peers) => 256 * peers.len(),
        _ => 32,
    }
}

impl Core {
    pub fn on_client(&mut self, client: ClientId, messages: Vec<Message<ClientSays>>) {
        for Message { header, buffers } in messages {
            let Some(end) = self.clients.get_mut(&client) else { return };
            match header {
                ClientSays::Hello { name, .. } => {
                    end.name = Some(name);
                    let epoch = self.machine.epoch();
                    let about = json!({
                        "id": self.about.id,
                        "address": self.about.address,
                        "dashboard_link": self.about.dashboard.as_ref().map(|(link, _)| link),
                        "version": env!("CARGO_PKG_VERSION"),
                    });
                    let welcome = ClientHears::Welcome { client, epoch, about: about.to_string() };
                    end.pipe.send(welcome, Vec::new());
                    self.feed(Event::ClientJoined { client });
                }
                _ if end.name.is_none() => tracing::warn!("{}: a client said something before hello", end.peer.address),
                ClientSays::Batch(messages) => {
                    self.busy_at = tokio::time::Instant::now();
                    self.feed(Event::FromClient { client, messages });
                }
                ClientSays::Ask { request, question } => {
                    self.ask(Asker::Client { client, request }, &question, buffers)
                }
                ClientSays::Forget { request } => self.waits.forget(client, request),
                ClientSays::Bye => return self.on_client_gone(client),
            }
        }
    }

    pub fn on_client_gone(&mut self, client: ClientId) {
        let Some(end) = self.clients.remove(&client) else { return };
        if end.name.is_some() {
            self.waits.forget_all(client);
            self.services_client_gone(client);
            self.feed(Event::ClientGone { client });
        }
    }

    pub fn tell_client(&mut self, client: ClientId, mut messages: Vec<ToClient>) {
        let Some(end) = self.clients.get_mut(&client) else { return };
        if end.pipe.is_behind() {
            // What a slow client can fetch itself does not pile up here.
            for message in &mut messages {
                if let ToClient::Finished { value, .. } = message {
                    *value = None;
                }
            }
        }
        if end.outbox.is_empty() {
            end.outbox = messages;
            self.clients_dirty.push(client);
        } else {
            end.outbox.extend(messages);
        }
    }

    pub fn send_client(&mut self, client: ClientId) {
        let Some(end) = self.clients.get_mut(&client) else { return };
        let messages = std::mem::take(&mut end.outbox);
        if messages.is_empty() {
            return;
        }
        for messages in split(messages, size) {
            end.pipe.send(ClientHears::Batch(messages), Vec::new());
        }
    }
}
