using System.Net.Sockets;
using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Portmap.Guarding;

namespace Portmap.Benchmarks;

/// <summary>What a guard costs: a port that is acquired, held by the kernel and given back, against
/// the system calls it takes, made bare.</summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
public class GuardBenchmark
{
    internal const int PairsPerInvoke = 256;
    private static readonly PortRange s_ports = new(61_000, 65_535);   // outside the usual ephemeral range

    private PortRegistry _guarded = null!;
    private PortRegistry _probed = null!;
    private int _port = s_ports.First;

    [GlobalSetup]
    public void Setup()
    {
        _guarded = Make(PortGuardMode.UntilRegistered);
        _probed = Make(PortGuardMode.None);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _guarded.Dispose();
        _probed.Dispose();
    }

    /// <summary>socket, setsockopt (both families), bind, close; a port further each time, as the
    /// registry does.</summary>
    [Benchmark(Baseline = true, OperationsPerInvoke = PairsPerInvoke)]
    public int BareSystemCalls()
    {
        for (int i = 0; i < PairsPerInvoke; i++)
        {
            do
            {
                _port = _port == s_ports.Last ? s_ports.First : _port + 1;
            }
            while (!Libc.TryHoldForAMoment(_port));   // as the registry does when a port is in use
        }

        return _port;
    }

    /// <summary>The socket of .NET alone, as the guard makes it: it sets IPV6_V6ONLY before
    /// DualMode clears it, one call more than needed.</summary>
    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public int SocketAlone()
    {
        for (int i = 0; i < PairsPerInvoke; i++)
        {
            SocketError error;
            do
            {
                _port = _port == s_ports.Last ? s_ports.First : _port + 1;
                error = BoundSocket.TryMake(PortProtocol.Tcp, _port, isStrict: true, out BoundSocket? socket);
                socket?.Dispose();
            }
            while (error != SocketError.Success);
        }

        return _port;
    }

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public int GuardedAcquireRelease() => Use(_guarded, PortGuarantee.Exclusive);

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public int ProbedAcquireRelease() => Use(_probed, PortGuarantee.ProbedOnly);

    private static PortRegistry Make(PortGuardMode guard) => new(new PortRegistryOptions
    {
        Ports = s_ports.ToString(),
        Strategy = PortRegistryOptions.AllocatorPicks,
        ReuseDelay = TimeSpan.Zero,
        Guard = guard,
    });

    private static int Use(PortRegistry registry, PortGuarantee guarantee)
    {
        PortRequest request = new("vol0:/bricks/b1");
        int last = 0;
        for (int i = 0; i < PairsPerInvoke; i++)
        {
            if (!registry.TryAcquire(request, out PortLease? lease, out PortRefusal? refusal))
            {
                throw new InvalidOperationException(refusal.ToString());
            }

            PortGuarantee given = i == 0 ? lease.Guarantee : guarantee;   // each time costs too much
            if (!lease.TryRelease(out refusal) || given != guarantee)
            {
                throw new InvalidOperationException(refusal?.ToString() ?? $"The port was {given}.");   // a weaker guard is faster
            }

            last = lease.Port;
        }

        return last;
    }

    private static class Libc
    {
        private const int InetV6 = 10, Stream = 1, CloseOnExec = 0x80000, IPv6 = 41, V6Only = 26;

        public static bool TryHoldForAMoment(int port)
        {
            // struct sockaddr_in6: family, port in network order, flow, address (all zero is ::),
            // scope.
            Span<byte> address = stackalloc byte[28];
            address.Clear();
            address[0] = InetV6;
            address[2] = (byte)(port >> 8);
            address[3] = (byte)port;
            int off = 0;
            int descriptor = socket(InetV6, Stream | CloseOnExec, 0);
            bool isHeld = setsockopt(descriptor, IPv6, V6Only, ref off, sizeof(int)) == 0
                && bind(descriptor, ref MemoryMarshal.GetReference(address), address.Length) == 0;
            return close(descriptor) == 0 && isHeld;
        }

#pragma warning disable SYSLIB1054 // LibraryImport would need unsafe code; blittable arguments need no marshalling either way
#pragma warning disable CA5392     // the C library of the system
        [DllImport("libc")]
        private static extern int socket(int domain, int type, int protocol);

        [DllImport("libc")]
        private static extern int setsockopt(int descriptor, int level, int name, ref int value, int length);

        [DllImport("libc")]
        private static extern int bind(int descriptor, ref byte address, int length);

        [DllImport("libc")]
        private static extern int close(int descriptor);
#pragma warning restore CA5392, SYSLIB1054
    }
}
