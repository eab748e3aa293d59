//! What the tests share: a world to act in, a client to ask with, a disk, a gateway and faults.

pub mod client;
pub mod disk;
pub mod faults;
pub mod gateway;
pub mod postbox;
pub mod world;

pub use client::{Answer, Client};
pub use gateway::Fault;
pub use world::{Person, Setup, World, live};
