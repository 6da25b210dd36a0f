//! Settings of the system's allocator for freed memory.
#![allow(unsafe_code)]

/// Asks glibc to keep freed memory up to a limit instead of giving it back at once.
///
/// Passes free and allocate the same few megabytes again and again. By default glibc maps blocks of that size afresh
/// each time, and every 4 KB of them costs a page fault: a full-batch gradient of 300 x 784 with 1570 neurons took 1.8
/// times as long, a weighted Gram matrix of the paper's size 2 % longer. Other systems' allocators are left as they
/// are.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// glibc allows no more.
        const LARGEST_BLOCK: libc::c_int = 32 << 20;
        const KEPT: libc::c_int = 512 << 20;
        // SAFETY: `mallopt` takes two integers, holds the allocator's lock while it changes its settings, and reports a
        // value that it does not like by its result; then all stays as it was, which is correct, too. `main` calls this
        // before there are other threads, which may read a setting without the lock.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_BLOCK);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
    }
}

/// Gives back what was freed and kept, before something large of another kind is made.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it takes the locks that it needs, and no live block moves or changes.
        unsafe { libc::malloc_trim(0) };
    }
}

/// Bytes that were freed and are kept, for what is allocated next. 0 where the allocator does not say.
pub fn kept() -> u64 {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it takes no arguments, reads the allocator's counters under its locks, and returns them by value.
        unsafe { libc::mallinfo2() }.fordblks as u64
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    0
}
