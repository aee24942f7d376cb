namespace Portmap.Rpc.Tests.Load;

/// <summary>A seeded bug: each call leaves a descriptor and some memory behind. The load tests must
/// see it.</summary>
internal sealed class LeakingProgram : IRpcProgram
{
    public const uint Id = 0x4c45_414b;

    private const int LeakedBytes = 10_000;

    private readonly List<(FileStream File, byte[] Memory)> _leaked = [];

    public uint Number => Id;

    public uint Version => 1;

    public string Name => "Leaking";

    public ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken)
    {
        lock (_leaked)
        {
            _leaked.Add((File.OpenRead("/dev/null"), new byte[LeakedBytes]));
        }

        return ValueTask.FromResult(true);
    }
}
