//! The cluster's page, its health and its metrics, over read-only snapshots.
