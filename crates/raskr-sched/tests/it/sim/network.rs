//! A network that loses, repeats, delays and reorders packets, and that can be cut, in one direction too.

use std::collections::BTreeSet;

use raskr_sched::{
    FromClient, FromWorker, FutureId, Incarnation, Packet, Registration, RequestId, TaskId, ToClient, ToWorker, Welcome,
};

use super::random::Random;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Node {
    Scheduler,
    Worker(usize),
    Client(usize),
}

/// A value on its way.
#[derive(Clone, Debug)]
pub struct Moved {
    pub task: TaskId,
    pub bytes: u64,
    pub content: u64,
}

#[derive(Clone, Debug)]
pub enum Wire {
    Register(Registration),
    Welcome(Welcome),
    Reject(Incarnation),
    WorkerUp(Packet<FromWorker>),
    WorkerDown(Packet<ToWorker>),
    ClientUp(Packet<FromClient>),
    ClientDown(Packet<ToClient>),
    Ask { request: RequestId, tasks: Vec<TaskId> },
    Answer { request: RequestId, values: Vec<Moved>, absent: Vec<TaskId> },
    Put { future: FutureId, value: Moved },
}

/// How bad the network is.
pub struct Network {
    pub lost_percent: u64,
    pub repeated_percent: u64,
    pub delay_micros: (u64, u64),
    pub slow_percent: u64,
    cuts: BTreeSet<(Node, Node)>,
}

impl Network {
    pub fn new(random: &mut Random) -> Network {
        Network {
            lost_percent: random.below(8) * random.below(2),
            repeated_percent: random.below(8) * random.below(2),
            delay_micros: (50, random.between(100, 20_000)),
            slow_percent: random.below(5),
            cuts: BTreeSet::new(),
        }
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    pub fn calm(&mut self) {
        self.heal();
        (self.lost_percent, self.repeated_percent, self.slow_percent) = (0, 0, 0);
    }

    pub fn cut(&mut self, from: Node, to: Node) {
        self.cuts.insert((from, to));
    }

    pub fn join(&mut self, from: Node, to: Node) {
        self.cuts.remove(&(from, to));
    }

    /// After how many microseconds a packet arrives, each time that it does.
    pub fn arrivals(&self, from: Node, to: Node, random: &mut Random) -> Vec<u64> {
        if self.cuts.contains(&(from, to)) || random.chance(self.lost_percent) {
            return Vec::new();
        }
        let times = 1 + usize::from(random.chance(self.repeated_percent));
        (0..times)
            .map(|_| {
                let (low, high) = self.delay_micros;
                let late = if random.chance(self.slow_percent) { 500_000 } else { 0 };
                random.between(low, high) + late
            })
            .collect()
    }
}
