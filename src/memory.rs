//! How much memory the program may use.

use sysinfo::{
    MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System, get_current_pid,
};

/// The cache's share of the memory, as one over this: what databases that share their machine with
/// others are commonly given.
const CACHE_SHARE: u64 = 4;
/// What the cache is given if a quarter is very little, or the machine does not tell; never more
/// than half of the memory.
const LEAST_CACHE_BYTES: u64 = 64 << 20;

/// How much memory the store's cache may take unless the settings say: a quarter of what there is,
/// in bytes.
pub fn cache_bytes() -> usize {
    let (machine, limit) = machine_and_limit();
    share(machine, limit)
}

/// A quarter of the machine's memory, or of the limit if this process has been given less.
fn share(machine: Option<u64>, limit: Option<u64>) -> usize {
    // A process can't address more than this, however much there is.
    let most = usize::MAX / 4;
    let Some(total) = machine.into_iter().chain(limit).min() else {
        return usize::try_from(LEAST_CACHE_BYTES).unwrap_or(most);
    };
    let bytes = (total / CACHE_SHARE).max(LEAST_CACHE_BYTES.min(total / 2));
    usize::try_from(bytes).map_or(most, |bytes| bytes.min(most))
}

/// The machine's memory, and how much of it this process may use if that is limited, as it is in
/// containers. Nothing where the system does not tell.
fn machine_and_limit() -> (Option<u64>, Option<u64>) {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let Ok(mut system) = System::new_with_specifics(memory) else { return (None, None) };
    let limit = get_current_pid().ok().and_then(|own| {
        let kind = ProcessRefreshKind::nothing();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, kind);
        system.process(own)?.cgroup_limits()
    });
    let machine = Some(system.total_memory()).filter(|bytes| *bytes > 0);
    (machine, limit.map(|limit| limit.total_memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const MIB: u64 = 1 << 20;

    fn share_of(machine: u64, limit: Option<u64>) -> u64 {
        share(Some(machine), limit) as u64
    }

    #[test]
    fn the_cache_may_take_a_quarter_of_the_memory() {
        assert_eq!(share_of(8 * GIB, None), 2 * GIB);
        assert_eq!(share_of(GIB, None), 256 * MIB);
    }

    #[test]
    fn in_a_container_it_is_a_quarter_of_what_the_container_has() {
        assert_eq!(share_of(8 * GIB, Some(GIB)), 256 * MIB);
        assert_eq!(share_of(8 * GIB, Some(64 * GIB)), 2 * GIB);
        assert_eq!(share(None, Some(GIB)) as u64, 256 * MIB);
    }

    #[test]
    fn a_small_machine_still_has_a_cache_but_not_all_of_its_memory() {
        assert_eq!(share_of(128 * MIB, None), 64 * MIB);
        assert_eq!(share_of(8 * GIB, Some(96 * MIB)), 48 * MIB);
        assert_eq!(share(None, None) as u64, 64 * MIB);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_tells_how_much_memory_it_has() {
        let described = std::fs::read_to_string("/proc/meminfo").unwrap();
        let line = described.lines().find(|line| line.starts_with("MemTotal:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let (machine, limit) = machine_and_limit();
        assert_eq!(machine, Some(kib * 1024));
        assert!(limit.is_none_or(|limit| limit > 0));
    }
}
