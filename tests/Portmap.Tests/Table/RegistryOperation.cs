using CsCheck;

namespace Portmap.Tests.Table;

/// <summary>One step of a random history: few owners, few ports and few processes, so that they
/// meet often.</summary>
internal abstract record RegistryOperation
{
    public const int Processes = 3;

    private static readonly Gen<string> s_owner = Gen.Int[0, 2].Select(i => new[] { "a", "b", "c" }[i]);
    private static readonly Gen<int> s_port = Gen.Int[20000, 20004];
    private static readonly Gen<int> s_process = Gen.Int[0, Processes - 1];

    public static Gen<RegistryOperation> Any { get; } = Gen.Frequency<RegistryOperation>(
        (4, s_owner.Select(Gen.Bool, (owner, picks) => (RegistryOperation)new Acquire(owner, picks))),
        (5, s_owner.Select(s_port, s_process, (owner, port, process) => (RegistryOperation)new RegisterLease(owner, port, process))),
        (5, s_owner.Select(s_port, s_process, (owner, port, process) => (RegistryOperation)new Register(owner, port, process))),
        (3, s_owner.Select(s_process, (owner, process) => (RegistryOperation)new Release(owner, process))),
        (2, s_owner.Select(owner => (RegistryOperation)new ReleaseLease(owner))),
        (3, Gen.Int[1, 25].Select(seconds => (RegistryOperation)new Advance(seconds))),
        (1, s_process.Select(process => (RegistryOperation)new Die(process))));

    public sealed record Acquire(string Owner, bool AllocatorPicks) : RegistryOperation;

    /// <summary>Registers with the epoch of the owner's open lease, on its port, or on this one
    /// where the lease has none.</summary>
    public sealed record RegisterLease(string Owner, int Port, int Process) : RegistryOperation;

    public sealed record Register(string Owner, int Port, int Process) : RegistryOperation;

    public sealed record Release(string Owner, int Process) : RegistryOperation;

    public sealed record ReleaseLease(string Owner) : RegistryOperation;

    public sealed record Advance(int Seconds) : RegistryOperation;

    public sealed record Die(int Process) : RegistryOperation;
}
