using System.Net;

namespace Portmap.TestKit;

/// <summary>The ports of this test process: outside the ephemeral range, shared with no other test
/// process of the machine, so that any number of test runs go side by side.</summary>
/// <remarks>A block is claimed by an open, locked file in the temp folder. The kernel drops the
/// lock when the process ends, however it ends, so no claim outlives its process; the empty files
/// stay. All members may be called from any thread.</remarks>
public static class PortBlock
{
    /// <summary>How many ports one block has.</summary>
    public const int Size = 200;

    private static readonly Lock s_gate = new();
    private static readonly PortBlockFiles s_files = new();
    private static readonly int s_firstBlock = s_files.Claim(blocks: 1);
    private static int s_next = s_files.FirstPort(s_firstBlock);
    private static int s_end = s_next + Size;
    private static int s_nextHost = 1;

    /// <summary>The first block of this process. Tests that run beside others take their part of it
    /// by <see cref="Take"/>.</summary>
    public static PortRange Range { get; } = new(s_next, s_end - 1);

    /// <summary>An address of this process alone, <c>127.x.y.1</c>: a listener on it meets no other
    /// test process, whatever its port.</summary>
    public static IPAddress Loopback { get; } = new([127, 77, (byte)s_firstBlock, 1]);

    /// <summary>An address of one test, <c>127.x.y.z</c>: for servers whose clients know one port
    /// number only.</summary>
    public static IPAddress TakeLoopback()
    {
        int host = Interlocked.Increment(ref s_nextHost);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(host, 254);
        return new IPAddress([127, 77, (byte)s_firstBlock, (byte)host]);
    }

    /// <summary>Ports for one test; no two calls overlap. Another block is claimed when the first
    /// is used up.</summary>
    /// <param name="count">How many, at most ten blocks.</param>
    public static PortRange Take(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, 10 * Size);
        lock (s_gate)
        {
            if (count > s_end - s_next)
            {
                int blocks = (count + Size - 1) / Size;
                s_next = s_files.FirstPort(s_files.Claim(blocks));
                s_end = s_next + (blocks * Size);
            }

            int first = s_next;
            s_next += count;
            return new PortRange(first, s_next - 1);
        }
    }

    /// <summary>One port for one test.</summary>
    public static int TakeOne() => Take(1).First;
}
