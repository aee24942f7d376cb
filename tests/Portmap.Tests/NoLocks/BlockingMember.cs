namespace Portmap.Tests.NoLocks;

/// <summary>Something that takes a lock or waits for another thread, and why it is one.</summary>
/// <param name="Type">Its full name as metadata has it, without the number of its type parameters;
/// one that ends in '.' is a whole namespace.</param>
/// <param name="Reason">What it does.</param>
internal sealed record BlockingMember(string Type, string Reason)
{
    /// <summary>The members that count; empty: every use of the type, a field of it too.</summary>
    public IReadOnlyList<string> Members { get; init; } = [];

    /// <summary>Members of the type that are fine; every other one counts.</summary>
    public IReadOnlyList<string> Except { get; init; } = [];

    /// <summary>What no table operation may use: none may take a lock.</summary>
    public static IReadOnlyList<BlockingMember> All { get; } =
    [
        new("System.Threading.Monitor", "the lock statement; a suspended holder stops everybody"),
        new("System.Threading.Lock", "the lock statement on the newer type"),
        new("System.Threading.SpinLock", "a lock that burns the processor while its holder is suspended"),
        new("System.Threading.SpinWait", "waits for what another thread does"),
        new("System.Threading.SemaphoreSlim", "takes a Monitor inside, waits"),
        new("System.Threading.Semaphore", "waits in the kernel"),
        new("System.Threading.Mutex", "waits in the kernel"),
        new("System.Threading.ReaderWriterLock", "readers wait for a writer"),
        new("System.Threading.ReaderWriterLockSlim", "readers wait for a writer"),
        new("System.Threading.WaitHandle", "waits in the kernel"),
        new("System.Threading.EventWaitHandle", "waits in the kernel"),
        new("System.Threading.ManualResetEvent", "waits in the kernel"),
        new("System.Threading.AutoResetEvent", "waits in the kernel"),
        new("System.Threading.ManualResetEventSlim", "takes a Monitor inside, waits"),
        new("System.Threading.CountdownEvent", "waits for others"),
        new("System.Threading.Barrier", "waits for others"),
        new("System.Threading.Thread", "waits for a time or for another thread") { Members = ["Sleep", "Join", "Yield", "SpinWait"] },
        new("System.Threading.ThreadLocal", "gives out its places under one lock for the process"),
        new("System.Threading.LazyInitializer", "may take a lock to make the value once"),
        new("System.Lazy", "takes a lock to make the value once"),
        new("System.Threading.Tasks.Task", "blocks the thread until the task is over") { Members = ["Wait", "WaitAll", "WaitAny", "get_Result", "RunSynchronously"] },
        new("System.Threading.Tasks.Parallel", "waits for its workers"),
        new("System.Runtime.CompilerServices.TaskAwaiter", "blocks unless the task is over; an await is not counted") { Members = ["GetResult"] },
        new("System.Threading.Channels.", "a channel takes a lock for each item"),
        new("System.Collections.Concurrent.BlockingCollection", "waits; a semaphore inside"),
        new("System.Collections.Concurrent.ConcurrentDictionary", "writers take a lock per stripe, Count and Keys take them all") { Except = ["TryGetValue", "ContainsKey", "get_Item"] },
        new("System.Collections.Concurrent.ConcurrentBag", "takes a lock to steal, and when its own list is short"),
        new("System.Collections.Concurrent.ConcurrentQueue", "takes a lock when a segment is full"),
        new("System.Runtime.CompilerServices.ConditionalWeakTable", "takes a lock to add"),
        new("System.Buffers.ArrayPool", "the shared pool takes a lock per processor when the thread's own place is empty") { Members = ["get_Shared", "Rent", "Return"] },
        new(Synchronized, "[MethodImpl(Synchronized)] is a lock around the method"),
    ];

    /// <summary>Stands for the attribute, which is no member.</summary>
    public const string Synchronized = "MethodImplOptions.Synchronized";

    public bool IsUsedBy(string type, string member) =>
        (Type.EndsWith('.') ? type.StartsWith(Type, StringComparison.Ordinal) : type == Type)
        && (Members.Count == 0 || Members.Contains(member))
        && (Except.Count == 0 || (member.Length > 0 && !Except.Contains(member)));   // a field of a type with harmless members is harmless
}
