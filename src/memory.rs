//! How much memory the program may use.

use sysinfo::{
    MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System, get_current_pid,
};

/// The cache's share of the memory, as one over this: what databases that share their machine with
/// others are commonly given.
const CACHE_SHARE: u64 = 4;
/// What the cache is given if the machine has very little, or does not tell.
const LEAST_CACHE_BYTES: u64 = 64 << 20;

/// How much memory the store's cache may take unless the settings say: a quarter of what there is,
/// in bytes.
pub fn cache_bytes() -> usize {
    share(total().unwrap_or(0))
}

fn share(total: u64) -> usize {
    usize::try_from((total / CACHE_SHARE).max(LEAST_CACHE_BYTES)).unwrap_or(usize::MAX)
}

/// The machine's memory, or less if this process has been given less of it, as containers are.
/// Nothing on a system that does not tell.
fn total() -> Option<u64> {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let mut system = System::new_with_specifics(memory).ok()?;
    let limit = get_current_pid().ok().and_then(|own| {
        let kind = ProcessRefreshKind::nothing();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kind);
        system.process(own)?.cgroup_limits()
    });
    let machine = Some(system.total_memory()).filter(|bytes| *bytes > 0);
    machine.into_iter().chain(limit.map(|limit| limit.total_memory)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_may_take_a_quarter_of_the_memory() {
        assert_eq!(share(8 << 30), 2 << 30);
        assert_eq!(share(1 << 30), 256 << 20);
    }

    #[test]
    fn a_small_machine_still_has_a_cache() {
        assert_eq!(share(128 << 20), 64 << 20);
        assert_eq!(share(0), 64 << 20);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn no_more_memory_is_counted_than_the_machine_has() {
        let described = std::fs::read_to_string("/proc/meminfo").unwrap();
        let line = described.lines().find(|line| line.starts_with("MemTotal:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let total = total().unwrap();
        assert!(total > 0 && total <= kib * 1024, "{total} of {kib} KiB");
    }
}
