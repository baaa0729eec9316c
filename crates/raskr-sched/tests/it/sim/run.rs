//! One run from one seed: faults for a while, then peace, then everything is looked at.

use std::collections::BTreeSet;

use raskr_sched::{Event, FromClient, State, TaskId, WorkerEvent, WorkerStatus};

use super::client::Status;
use super::network::Node;
use super::world::{Checked, Happening, World};

const SECOND: u64 = 1_000_000;
const TICK: u64 = SECOND / 4;
/// How long faults come, and how long after it everything must be settled, in seconds of the simulation.
const FAULTS: (u64, u64) = (5, 40);
const PEACE_MAX: u64 = 400;

#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub events: u64,
    pub values_checked: usize,
    pub finished: usize,
    pub failed: usize,
    pub micros: u64,
}

pub fn run(seed: u64) -> Result<Outcome, String> {
    let mut world = World::new(seed);
    let end_of_faults = world.random.between(FAULTS.0, FAULTS.1) * SECOND;
    for host in 0..world.hosts.len() {
        let delay = world.random.below(2 * SECOND);
        world.after(delay, Happening::Restart(host));
        world.after(world.hosts[host].number as u64 * 1000, Happening::WorkerTick(host));
    }
    world.after(0, Happening::SchedulerTick);
    for client in 0..world.clients.len() {
        world.schedule(Event::ClientJoined { client: raskr_sched::ClientId(client as u32) })?;
        world.after(100, Happening::ClientActs(client));
    }
    let quiet = world.random.chance(20);
    if !quiet {
        world.after(SECOND, Happening::Fault);
    }
    play(&mut world, end_of_faults)?;
    make_peace(&mut world)?;
    let peace_ends = world.now.as_micros() + PEACE_MAX * SECOND;
    while !is_settled(&world) {
        if world.now.as_micros() > peace_ends {
            return Err(what_hangs(&world));
        }
        let until = world.now.as_micros() + SECOND;
        play(&mut world, until)?;
    }
    let mut outcome = Outcome {
        finished: count(&world, |status| *status == Status::Finished),
        failed: count(&world, |status| matches!(status, Status::Failed(_))),
        micros: world.now.as_micros(),
        ..Outcome::default()
    };
    check_values(&mut world)?;
    check_agreement(&world)?;
    release_all(&mut world)?;
    outcome.events = world.events;
    outcome.values_checked = world.clients.iter().map(|client| client.checked.len()).sum();
    Ok(outcome)
}

/// A run that takes more events than this goes round in circles.
const EVENTS_MAX: u64 = 1_000_000;

pub fn play(world: &mut World, until: u64) -> Checked {
    if world.events > EVENTS_MAX {
        return Err(format!("{} events and no end", world.events));
    }
    while world.now.as_micros() < until {
        let Some(happening) = world.next() else { return Ok(()) };
        happen(world, happening)?;
    }
    Ok(())
}

fn happen(world: &mut World, happening: Happening) -> Checked {
    match happening {
        Happening::Deliver { from, to, wire } => world.deliver(from, to, *wire),
        Happening::SchedulerTick => {
            world.after(2 * TICK, Happening::SchedulerTick);
            world.resend();
            world.schedule(Event::Ticked)
        }
        Happening::WorkerTick(host) => {
            world.after(TICK, Happening::WorkerTick(host));
            if world.hosts[host].frozen { Ok(()) } else { world.work(host, WorkerEvent::Ticked) }
        }
        Happening::Within { host, process, event } => {
            let there = &world.hosts[host];
            if there.process != process || there.worker.is_none() {
                return Ok(());
            }
            if there.frozen {
                world.after(TICK, Happening::Within { host, process, event });
                return Ok(());
            }
            world.work(host, *event)
        }
        Happening::ClientActs(client) => {
            if world.calm {
                return Ok(());
            }
            let delay = world.random.below(3 * SECOND);
            world.after(delay, Happening::ClientActs(client));
            let shape = world.shape;
            let messages = world.clients[client].act(&mut world.plans, &mut world.random, shape);
            world.say(client, messages);
            Ok(())
        }
        Happening::Fault => {
            if world.calm {
                return Ok(());
            }
            let delay = world.random.below(6 * SECOND);
            world.after(delay, Happening::Fault);
            fault(world)
        }
        Happening::Restart(host) => {
            if world.hosts[host].worker.is_none() {
                world.start(host);
            }
            Ok(())
        }
        Happening::Thaw(host) => world.thaw(host),
        Happening::DiskFree(host) => {
            world.hosts[host].disk_full = false;
            let report = world.hosts[host].memory();
            if world.hosts[host].frozen {
                return Ok(());
            }
            world.work(host, WorkerEvent::MemoryChanged(report))
        }
        Happening::NotPut { client, future, worker } => {
            world.say(client, vec![FromClient::NotPut { future, worker }]);
            Ok(())
        }
        Happening::Join(from, to) => {
            world.network.join(from, to);
            Ok(())
        }
    }
}

fn fault(world: &mut World) -> Checked {
    let host = world.random.below(world.hosts.len() as u64) as usize;
    // Longer than the time after which a worker is lost, in some cases.
    let longest = if world.random.chance(40) { 40 * SECOND } else { 5 * SECOND };
    let while_ = world.random.between(SECOND / 10, longest);
    match world.random.below(100) {
        0..30 => {
            world.crash(host)?;
            world.after(while_.min(10 * SECOND), Happening::Restart(host));
        }
        30..50 => {
            if world.hosts[host].worker.is_some() {
                world.hosts[host].frozen = true;
                world.after(while_, Happening::Thaw(host));
            }
        }
        50..80 => {
            let others = world.hosts.len() + world.clients.len() + 1;
            let other = match world.random.below(others as u64) as usize {
                0 => Node::Scheduler,
                n if n <= world.hosts.len() => Node::Worker(n - 1),
                n => Node::Client(n - world.hosts.len() - 1),
            };
            let one = Node::Worker(host);
            let directions = world.random.below(3);
            for (from, to, which) in [(one, other, 1), (other, one, 2)] {
                if directions == 0 || directions == which {
                    world.network.cut(from, to);
                    world.after(while_, Happening::Join(from, to));
                }
            }
        }
        80..88 => {
            let worker =
                world.scheduler.workers().iter().find(|view| *view.name == *format!("worker-{host}")).map(|v| v.worker);
            let deadline = world.random.chance(50).then(|| std::time::Duration::from_micros(while_));
            world.schedule(Event::RetireAsked { workers: worker.into_iter().collect(), deadline })?;
        }
        88..90 => world.work(host, WorkerEvent::LeaveAsked)?,
        90..92 => world.schedule(Event::RebalanceAsked { tasks: None, workers: None })?,
        92..96 => {
            // A value is lost in the store of a worker.
            let held: Vec<_> = world.hosts[host].worker.iter().flat_map(|worker| worker.holds()).collect();
            if let Some(task) = world.random.pick(&held)
                && !world.hosts[host].frozen
            {
                world.hosts[host].values.remove(&task);
                world.work(host, WorkerEvent::ValueLost { task })?;
            }
        }
        _ => {
            world.hosts[host].disk_full = true;
            world.after(while_, Happening::DiskFree(host));
        }
    }
    Ok(())
}

/// Heals everything and has every host run a worker.
fn make_peace(world: &mut World) -> Checked {
    world.calm = true;
    world.network.calm();
    let workers = world.scheduler.workers().into_iter().filter(|view| {
        // A worker that is not heard may be leaving as well.
        matches!(view.status, WorkerStatus::Retiring | WorkerStatus::Suspect)
    });
    let workers = workers.map(|view| view.worker).collect();
    world.schedule(Event::RetireAsked { workers, deadline: Some(std::time::Duration::ZERO) })?;
    for host in 0..world.hosts.len() {
        world.thaw(host)?;
        world.hosts[host].disk_full = false;
        if world.hosts[host].worker.is_none() {
            world.start(host);
        } else {
            let report = world.hosts[host].memory();
            world.work(host, WorkerEvent::MemoryChanged(report))?;
        }
    }
    Ok(())
}

/// Nothing is under way, nobody waits, everybody has heard what was said, and every host has a worker that takes tasks.
pub fn is_settled(world: &World) -> bool {
    let views = world.scheduler.workers();
    let running = views.iter().filter(|view| view.status == WorkerStatus::Running).count();
    let busy = [State::Waiting, State::NoWorker, State::Queued, State::Processing];
    let leaving = views.iter().any(|view| view.status == WorkerStatus::Retiring);
    let heard = |view: &raskr_sched::WorkerView| {
        let mut links = world.hosts.iter().filter_map(|host| host.link.as_ref());
        links.any(|link| link.0 == view.worker && link.1 == view.incarnation && link.2.unheard() == 0)
    };
    running == world.hosts.len()
        && views.iter().all(heard)
        && !leaving
        && busy.iter().all(|state| world.scheduler.count(*state) == 0)
        && world.clients.iter().all(|client| client.is_settled() && client.link.unheard() == 0)
        && world.client_links.values().all(|link| link.unheard() == 0)
        && world.hosts.iter().all(|host| host.worker.as_ref().is_some_and(|worker| worker.executing() == 0))
}

fn count(world: &World, fits: impl Fn(&Status) -> bool) -> usize {
    world.clients.iter().flat_map(|client| client.futures.values()).filter(|future| fits(&future.status)).count()
}

fn what_hangs(world: &World) -> String {
    let mut text = String::from("nothing is wrong any more, and yet not everything comes to an end");
    for client in &world.clients {
        for (id, future) in client.futures.iter().filter(|(_, future)| future.status == Status::Pending).take(3) {
            let key = &future.key;
            text += &format!("\n'{key}' ({id}): {:?}", world.scheduler.why(key));
            for entry in world.scheduler.story(key) {
                text += &format!("\n  {entry}");
            }
        }
    }
    for view in world.scheduler.workers() {
        text += &format!("\n{view:?}");
    }
    for host in &world.hosts {
        if let Some(worker) = &host.worker {
            text += &format!("\nworker-{}: {} run, {} wait", host.number, worker.executing(), worker.waiting());
        }
    }
    text
}

/// Fetches everything that is finished; what comes is compared as it comes.
fn check_values(world: &mut World) -> Checked {
    for client in &mut world.clients {
        client.checked.clear();
    }
    for client in 0..world.clients.len() {
        let messages = world.clients[client].locate();
        world.say(client, messages);
    }
    let until = world.now.as_micros() + 3 * SECOND;
    play(world, until)?;
    let checked: usize = world.clients.iter().map(|client| client.checked.len()).sum();
    let finished = count(world, |status| *status == Status::Finished);
    if checked == finished {
        Ok(())
    } else {
        Err(format!("{finished} values are there, and {checked} could be fetched"))
    }
}

/// Scheduler and workers mean the same values.
fn check_agreement(world: &World) -> Checked {
    for view in world.scheduler.workers() {
        let host: usize = view.name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let Some(worker) = &world.hosts[host].worker else { continue };
        let held: BTreeSet<TaskId> = worker.holds().collect();
        let stored: BTreeSet<TaskId> = world.hosts[host].values.keys().copied().collect();
        let said: BTreeSet<TaskId> = world.scheduler.has_what(view.worker).into_iter().map(|(_, task)| task).collect();
        if held != said || held != stored {
            let differ: Vec<String> = held.symmetric_difference(&said).map(ToString::to_string).collect();
            return Err(format!(
                "{} has {held:?}, stores {stored:?}, and is said to have {said:?}: {differ:?}",
                view.name
            ));
        }
    }
    Ok(())
}

/// Without a client that wants anything nothing is left anywhere.
fn release_all(world: &mut World) -> Checked {
    for client in 0..world.clients.len() {
        let futures = std::mem::take(&mut world.clients[client].futures).into_keys().collect();
        world.say(client, vec![FromClient::Unpublish { name: "kept".into() }, FromClient::Release(futures)]);
    }
    let until = world.now.as_micros() + 3 * SECOND;
    play(world, until)?;
    if world.scheduler.tasks() > 0 {
        return Err(format!("{} tasks are left on the scheduler that nobody wants", world.scheduler.tasks()));
    }
    for host in &world.hosts {
        let left = host.worker.as_ref().map_or(0, |worker| worker.holds().count());
        if left + host.values.len() > 0 {
            return Err(format!("{left} values are left on worker-{} that nobody wants", host.number));
        }
    }
    Ok(())
}
