//! The cluster as Python sees it: schedulers, workers and clients, Python calls and arrays as tasks, and values on their way.

mod child;
mod client;
mod dashboard;
mod failure;
mod frames;
mod future;
mod graph;
mod here;
mod listen;
mod native;
mod options;
mod plain;
mod runner;
mod scheduler;
mod scheduler_options;
mod slot;
mod submit;
mod talk;
pub mod task;
pub mod values;
mod worker;
mod worker_options;

use pyo3::prelude::*;

pub use child::ChildTasks;
pub use future::{ClusterFuture, RemoteValue};
pub use options::resources;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<client::ClusterClient>()?;
    module.add_class::<future::ClusterFuture>()?;
    module.add_class::<listen::ClusterListener>()?;
    module.add_class::<scheduler::SchedulerHandle>()?;
    module.add_class::<worker::WorkerHandle>()?;
    module.add_function(wrap_pyfunction!(client::connect, module)?)?;
    module.add_function(wrap_pyfunction!(future::futures_under, module)?)?;
    module.add_function(wrap_pyfunction!(here::run_here, module)?)?;
    module.add_function(wrap_pyfunction!(scheduler::start_scheduler, module)?)?;
    module.add_function(wrap_pyfunction!(worker::start_worker, module)?)?;
    module.add_function(wrap_pyfunction!(child::current_task, module)?)?;
    module.add_function(wrap_pyfunction!(child::secede, module)?)?;
    module.add_function(wrap_pyfunction!(child::rejoin, module)?)
}
