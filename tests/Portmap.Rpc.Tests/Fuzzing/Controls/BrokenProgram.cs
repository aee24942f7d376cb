namespace Portmap.Rpc.Tests.Fuzzing.Controls;

/// <summary>A host's program with a seeded bug.</summary>
internal sealed class BrokenProgram(BrokenProgram.Bug bug) : IRpcProgram
{
    private const int Kept = 400_000;   // some eighty of its inputs are calls of this program, and what earlier tests left may go meanwhile

    private readonly List<byte[]> _kept = [];

    public enum Bug
    {
        /// <summary>It throws something of its own at what it is sent.</summary>
        Throws,

        /// <summary>It never answers.</summary>
        Hangs,

        /// <summary>It keeps some memory for each call.</summary>
        Keeps,
    }

    public uint Number => FuzzInput.HostProgram;

    public uint Version => 1;

    public string Name => "Broken";

    public async ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken)
    {
        switch (bug)
        {
            case Bug.Hangs:
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                return true;
            case Bug.Keeps:
                lock (_kept)
                {
                    _kept.Add(new byte[Kept]);
                }

                return true;
            default:
                throw new InvalidOperationException("broken on purpose");
        }
    }
}
