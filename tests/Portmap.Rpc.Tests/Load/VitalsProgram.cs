namespace Portmap.Rpc.Tests.Load;

/// <summary>Says what the server's process holds: descriptors, managed heap after a full
/// collection, entries.</summary>
internal sealed class VitalsProgram(PortRegistry registry) : IRpcProgram
{
    public const uint Id = 0x5649_5441;

    public uint Number => Id;

    public uint Version => 1;

    public string Name => "Vitals";

    public ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        request.WriteInt64(Directory.GetFileSystemEntries("/proc/self/fd").Count(IsOurs));
        request.WriteInt64(GC.GetTotalMemory(forceFullCollection: true));
        request.WriteInt64(registry.Snapshot().Entries.Count(entry => entry.State is PortState.Bound or PortState.Reserved));
        return ValueTask.FromResult(true);
    }

    // The runtime opens libraries, and symbols for its first stack trace, whenever it first needs
    // them.
    private static bool IsOurs(string descriptor) => !(new FileInfo(descriptor).LinkTarget is { } target && (target.EndsWith(".dll", StringComparison.Ordinal) || target.EndsWith(".pdb", StringComparison.Ordinal)));
}
