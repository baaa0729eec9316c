//! The simulated cluster: what is where, what happens next, and how events become actions and packets.

use std::collections::BTreeMap;
use std::time::Duration;

use raskr_sched::{
    Action, ClientId, Epoch, Event, FromClient, FromWorker, FutureId, Gone, Incarnation, Instant, Key, Link, RequestId,
    Scheduler, SchedulerOptions, ToClient, ToWorker, WorkerEvent, WorkerId,
};

use super::RESEND;
use super::client::{Client, Status};
use super::graph::{Plans, Shape};
use super::host::{CLIENTS, Effect, Host, link_number, node_of};
use super::network::{Moved, Network, Node, Wire};
use super::random::Random;

pub type Checked = Result<(), String>;

/// What is to happen.
#[derive(Clone, Debug)]
pub enum Happening {
    Deliver {
        from: Node,
        to: Node,
        wire: Box<Wire>,
    },
    SchedulerTick,
    WorkerTick(usize),
    /// Something ends within a process, if that is still there.
    Within {
        host: usize,
        process: u64,
        event: Box<WorkerEvent>,
    },
    ClientActs(usize),
    Fault,
    Restart(usize),
    Thaw(usize),
    DiskFree(usize),
    Join(Node, Node),
    NotPut {
        client: usize,
        future: FutureId,
        worker: WorkerId,
    },
}

pub struct World {
    pub random: Random,
    pub now: Instant,
    pub scheduler: Scheduler,
    pub hosts: Vec<Host>,
    pub clients: Vec<Client>,
    pub plans: Plans,
    pub shape: Shape,
    pub network: Network,
    pub calm: bool,
    pub events: u64,
    upcoming: BTreeMap<(Instant, u64), Happening>,
    happenings: u64,
    processes: u64,
    /// How often each task was begun.
    pub tries: BTreeMap<Key, u32>,
    worker_links: BTreeMap<WorkerId, (Incarnation, Link<ToWorker, FromWorker>)>,
    pub client_links: BTreeMap<ClientId, Link<ToClient, FromClient>>,
    /// Which host a worker is on.
    places: BTreeMap<WorkerId, usize>,
    /// What frozen processes have not heard yet.
    unheard: BTreeMap<usize, Vec<(Node, Wire)>>,
    trace: bool,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let workers = random.between(1, 5);
        let memory = random.chance(40);
        let shape = Shape {
            tasks_max: random.between(3, 30),
            bytes_max: random.between(1, 400_000),
            micros_max: 10_u64.pow(random.between(3, 6) as u32),
            workers,
            restricted_percent: random.below(2) * random.below(40),
            failing_percent: random.below(2) * random.below(25),
        };
        let hosts = (0..workers as usize)
            .map(|number| {
                let limit = if memory { random.between(500_000, 3_000_000) } else { 0 };
                let slowness = if shape.micros_max <= 100_000 && random.chance(15) { 10 } else { 1 };
                // Whatever tasks ask for, somebody has it.
                let gpus = random.below(3).max(u64::from(number == 0));
                Host::new(number, random.between(1, 3) as u32, gpus, limit, slowness)
            })
            .collect();
        let network = Network::new(&mut random);
        let clients = (0..random.between(1, 3) as usize).map(Client::new).collect::<Vec<_>>();
        World {
            random,
            now: Instant::default(),
            scheduler: Scheduler::new(
                SchedulerOptions { story_len: 5_000, ..SchedulerOptions::default() },
                Epoch(seed),
            ),
            client_links: clients
                .iter()
                .map(|client| {
                    let number = client.number as u64;
                    (ClientId(client.number as u32), Link::new(number, RESEND))
                })
                .collect(),
            hosts,
            clients,
            plans: Plans::default(),
            shape,
            network,
            calm: false,
            events: 0,
            upcoming: BTreeMap::new(),
            happenings: 0,
            processes: 0,
            tries: BTreeMap::new(),
            worker_links: BTreeMap::new(),
            places: BTreeMap::new(),
            unheard: BTreeMap::new(),
            trace: std::env::var_os("RASKR_SIMULATED_TRACE").is_some(),
        }
    }

    pub fn after(&mut self, micros: u64, happening: Happening) {
        self.happenings += 1;
        self.upcoming.insert((self.now + Duration::from_micros(micros), self.happenings), happening);
    }

    /// The next thing to happen, and time has moved on to it.
    pub fn next(&mut self) -> Option<Happening> {
        let ((at, _), happening) = self.upcoming.pop_first()?;
        self.now = at;
        Some(happening)
    }

    pub fn send(&mut self, from: Node, to: Node, wire: Wire) {
        for delay in self.network.arrivals(from, to, &mut self.random) {
            self.after(delay, Happening::Deliver { from, to, wire: Box::new(wire.clone()) });
        }
    }

    pub fn start(&mut self, host: usize) {
        self.processes += 1;
        for (from, wire) in self.unheard.remove(&host).unwrap_or_default() {
            self.not_put(host, from, &wire);
        }
        self.hosts[host].start(self.processes);
    }

    pub fn schedule(&mut self, event: Event) -> Checked {
        if self.trace {
            eprintln!("{} scheduler hears {event:?}", self.now);
        }
        self.events += 1;
        let actions = self.scheduler.handle(event, self.now);
        for action in actions {
            if self.trace {
                eprintln!("{} scheduler says {action:?}", self.now);
            }
            match action {
                Action::ToWorker { worker, incarnation, messages } => {
                    let now = self.now;
                    if let Some((current, down)) = self.worker_links.get_mut(&worker)
                        && *current == incarnation
                    {
                        let packet = down.send(messages, now);
                        self.send(Node::Scheduler, Node::Worker(self.places[&worker]), Wire::WorkerDown(packet));
                    }
                }
                Action::ToClient { client, messages } => {
                    let now = self.now;
                    if let Some(down) = self.client_links.get_mut(&client) {
                        let packet = down.send(messages, now);
                        self.send(Node::Scheduler, Node::Client(client.0 as usize), Wire::ClientDown(packet));
                    }
                }
                Action::Welcome(welcome) => {
                    let (worker, incarnation) = (welcome.worker, welcome.incarnation);
                    if self.worker_links.get(&worker).is_none_or(|link| link.0 != incarnation) {
                        let number = link_number(worker, incarnation);
                        let link = (incarnation, Link::new(number, RESEND));
                        self.worker_links.insert(worker, link);
                    }
                    let name = self.scheduler.worker(worker).ok_or("a worker is welcomed that is not known")?.name;
                    let place: usize = name.rsplit('-').next().and_then(|n| n.parse().ok()).ok_or("a strange name")?;
                    self.places.insert(worker, place);
                    self.send(Node::Scheduler, Node::Worker(place), Wire::Welcome(welcome));
                }
                Action::Reject { worker, incarnation } => {
                    self.send(Node::Scheduler, Node::Worker(self.places[&worker]), Wire::Reject(incarnation));
                }
                Action::Tell(_) => {}
            }
        }
        self.scheduler.validate().map_err(|violation| violation.to_string())
    }

    pub fn work(&mut self, host: usize, event: WorkerEvent) -> Checked {
        if self.trace {
            eprintln!("{} worker-{host} hears {event:?}", self.now);
        }
        self.events += 1;
        let (now, place) = (self.now, &mut self.hosts[host]);
        let Some(worker) = &mut place.worker else { return Ok(()) };
        let actions = worker.handle(event, now);
        worker.validate().map_err(|violation| violation.to_string())?;
        let mut effects = Vec::new();
        let before = place.memory();
        for action in actions {
            if self.trace {
                eprintln!("{} worker-{host} says {action:?}", self.now);
            }
            place.perform(action, &self.plans, &mut self.tries, now, &mut effects)?;
        }
        let process = place.process;
        if place.memory() != before {
            let event = Box::new(WorkerEvent::MemoryChanged(place.memory()));
            self.after(100, Happening::Within { host, process, event });
        }
        for effect in effects {
            match effect {
                Effect::Send(to, wire) => self.send(Node::Worker(host), to, wire),
                Effect::After(micros, event) => {
                    self.after(micros, Happening::Within { host, process, event: Box::new(event) });
                }
                Effect::Closed { told } => self.on_closed(host, told)?,
            }
        }
        Ok(())
    }

    /// A worker's process ended as it wished.
    fn on_closed(&mut self, host: usize, told: bool) -> Checked {
        let id = self.hosts[host].link.as_ref().map(|link| (link.0, link.1));
        self.hosts[host].worker = None;
        self.after(1_000_000, Happening::Restart(host));
        match id {
            Some((worker, incarnation)) if told => {
                self.schedule(Event::WorkerGone { worker, incarnation, how: Gone::Closed })
            }
            _ => Ok(()),
        }
    }

    /// A worker's process is killed; the scheduler may hear of it at once, or not at all.
    pub fn crash(&mut self, host: usize) -> Checked {
        let id = self.hosts[host].link.as_ref().map(|link| (link.0, link.1));
        if self.hosts[host].worker.take().is_none() {
            return Ok(());
        }
        if let Some((worker, incarnation)) = id
            && self.random.chance(60)
        {
            self.schedule(Event::WorkerGone { worker, incarnation, how: Gone::Died })?;
        }
        Ok(())
    }

    pub fn thaw(&mut self, host: usize) -> Checked {
        self.hosts[host].frozen = false;
        for (from, wire) in self.unheard.remove(&host).unwrap_or_default() {
            self.deliver_to_worker(host, from, wire)?;
        }
        Ok(())
    }

    pub fn deliver(&mut self, from: Node, to: Node, wire: Wire) -> Checked {
        match to {
            Node::Scheduler => self.deliver_to_scheduler(from, wire),
            Node::Worker(host) if self.hosts[host].frozen => {
                self.unheard.entry(host).or_default().push((from, wire));
                Ok(())
            }
            Node::Worker(host) => self.deliver_to_worker(host, from, wire),
            Node::Client(client) => self.deliver_to_client(client, from, wire),
        }
    }

    fn deliver_to_scheduler(&mut self, from: Node, wire: Wire) -> Checked {
        match wire {
            Wire::Register(registration) => self.schedule(Event::Registered(registration)),
            Wire::WorkerUp(packet) => {
                let worker = WorkerId((packet.link >> 32) as u32);
                let incarnation = Incarnation(packet.link as u32);
                let current = self.worker_links.get_mut(&worker).filter(|link| link.0 == incarnation);
                let messages = match current {
                    Some((_, link)) => link.receive(packet),
                    None => packet.messages,
                };
                if messages.is_empty() {
                    return Ok(());
                }
                self.schedule(Event::FromWorker { worker, incarnation, messages })
            }
            Wire::ClientUp(packet) => {
                let client = ClientId(packet.link as u32);
                let messages = self.client_links.get_mut(&client).map(|link| link.receive(packet)).unwrap_or_default();
                if messages.is_empty() {
                    return Ok(());
                }
                self.schedule(Event::FromClient { client, messages })
            }
            other => Err(format!("{from:?} said to the scheduler: {other:?}")),
        }
    }

    fn deliver_to_worker(&mut self, host: usize, from: Node, wire: Wire) -> Checked {
        let place = &mut self.hosts[host];
        if place.worker.is_none() {
            self.not_put(host, from, &wire);
            return Ok(());
        }
        if let Wire::Put { value, .. } = &wire {
            let task = value.task;
            let (_, event) = place.on_put(value.clone());
            self.work(host, event)?;
            if !self.hosts[host].values.contains_key(&task) {
                self.not_put(host, from, &wire);
            }
            return Ok(());
        }
        let event = match wire {
            Wire::Welcome(welcome) => WorkerEvent::Welcomed(welcome),
            Wire::Reject(incarnation) => WorkerEvent::Rejected { incarnation },
            Wire::WorkerDown(packet) => {
                let Some((_, incarnation, link)) = &mut place.link else { return Ok(()) };
                let incarnation = *incarnation;
                let messages = link.receive(packet);
                WorkerEvent::FromScheduler { incarnation, messages }
            }
            Wire::Ask { request, tasks } => {
                let from = match from {
                    Node::Client(client) => CLIENTS + client as u64,
                    Node::Worker(worker) => worker as u64,
                    Node::Scheduler => return Err("the scheduler asks for values".into()),
                };
                WorkerEvent::Asked { from, request, tasks }
            }
            Wire::Answer { request, values, absent } => place.on_answer(request, values, absent),
            other => return Err(format!("worker-{host} is told {other:?}")),
        };
        self.work(host, event)
    }

    /// A value of a client's that did not get where it was sent is reported to it.
    fn not_put(&mut self, host: usize, from: Node, wire: &Wire) {
        let worker = self.places.iter().find(|(_, place)| **place == host).map(|(worker, _)| *worker);
        if let (Wire::Put { future, .. }, Node::Client(client), Some(worker)) = (wire, from, worker) {
            self.after(300_000, Happening::NotPut { client, future: *future, worker });
        }
    }

    fn deliver_to_client(&mut self, client: usize, from: Node, wire: Wire) -> Checked {
        match wire {
            Wire::ClientDown(packet) => {
                self.clients[client].hear(packet, &self.plans)?;
                self.move_values(client);
                Ok(())
            }
            Wire::Answer { request, values, absent } => self.on_fetched(client, from, request, values, absent.len()),
            other => Err(format!("client {client} is told {other:?}")),
        }
    }

    /// Sends what the scheduler asked a client for, and asks workers for what it said is there.
    fn move_values(&mut self, client: usize) {
        for (future, task, workers) in std::mem::take(&mut self.clients[client].puts) {
            let known = &self.clients[client];
            let Some((content, key)) = known.futures.get(&future).and_then(|f| Some((f.own?, f.key.clone()))) else {
                continue;
            };
            let bytes = self.plans.plans[&key].bytes;
            let known: Vec<(WorkerId, Option<Node>)> =
                workers.iter().map(|worker| (*worker, known.peers.get(worker).map(node_of))).collect();
            for (worker, place) in known {
                // Over a connection of its own, which loses nothing that it does not report.
                let delay = self.random.between(100, 10_000);
                let wire = Box::new(Wire::Put { future, value: Moved { task, bytes, content } });
                match place {
                    Some(to) => self.after(delay, Happening::Deliver { from: Node::Client(client), to, wire }),
                    None => self.after(delay, Happening::NotPut { client, future, worker }),
                }
            }
        }
        for fetch in std::mem::take(&mut self.clients[client].fetches) {
            let known = &self.clients[client];
            let Some(place) = fetch.holders.first().and_then(|holder| known.peers.get(holder)).map(node_of) else {
                continue;
            };
            let wire = Wire::Ask { request: RequestId(fetch.future.0), tasks: vec![fetch.task] };
            self.send(Node::Client(client), place, wire);
        }
    }

    fn on_fetched(
        &mut self,
        client: usize,
        from: Node,
        request: RequestId,
        values: Vec<Moved>,
        absent: usize,
    ) -> Checked {
        let known = &mut self.clients[client];
        let future = FutureId(request.0);
        let Some(wanted) = known.futures.get(&future) else { return Ok(()) };
        for value in values {
            if value.content != self.plans.content(&wanted.key) {
                return Err(format!("the value of '{}' is wrong", wanted.key));
            }
            known.checked.insert(future);
        }
        if absent > 0 && wanted.status == Status::Finished {
            let worker = self.places.iter().find(|(_, host)| Node::Worker(**host) == from).map(|(worker, _)| *worker);
            if let Some(worker) = worker {
                self.say(client, vec![FromClient::Absent { future, worker }]);
            }
        }
        Ok(())
    }

    pub fn say(&mut self, client: usize, messages: Vec<FromClient>) {
        let now = self.now;
        let packet = self.clients[client].link.send(messages, now);
        self.send(Node::Client(client), Node::Scheduler, Wire::ClientUp(packet));
    }

    /// Sends again what was not acknowledged, and acknowledgements.
    pub fn resend(&mut self) {
        let now = self.now;
        let mut due: Vec<(Node, Node, Wire)> = Vec::new();
        for (worker, (_, link)) in &mut self.worker_links {
            let to = Node::Worker(self.places[worker]);
            due.extend(link.due(now).into_iter().map(|packet| (Node::Scheduler, to, Wire::WorkerDown(packet))));
        }
        for (client, link) in &mut self.client_links {
            let to = Node::Client(client.0 as usize);
            due.extend(link.due(now).into_iter().map(|packet| (Node::Scheduler, to, Wire::ClientDown(packet))));
        }
        for client in &mut self.clients {
            let from = Node::Client(client.number);
            due.extend(client.link.due(now).into_iter().map(|packet| (from, Node::Scheduler, Wire::ClientUp(packet))));
        }
        for host in self.hosts.iter_mut().filter(|host| !host.frozen && host.worker.is_some()) {
            let from = Node::Worker(host.number);
            let packets = host.link.iter_mut().flat_map(|(.., link)| link.due(now));
            due.extend(packets.map(|packet| (from, Node::Scheduler, Wire::WorkerUp(packet))));
        }
        for (from, to, wire) in due {
            self.send(from, to, wire);
        }
    }
}
