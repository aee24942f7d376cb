using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>The mail of 2016: after a reboot other programs have the ports that bricks had, and
/// bricks must start all the same. A real state folder, real sockets.</summary>
public sealed class RebootTests : IDisposable
{
    private const int Bricks = 4;

    private readonly TempFolder _folder = new();
    private readonly PortRange _ports = PortBlock.Take(12);

    [Theory]
    [InlineData(PortReuse.Fresh)]
    [InlineData(PortReuse.Prefer)]
    [InlineData(PortReuse.Require)]
    public async Task Reboot_StrangersOnTheOldPorts_BricksStartByThePolicy(PortReuse reuse)
    {
        int[] old = await BeforeAsync();
        using Stranger first = Stranger.Listening(old[0]), second = Stranger.Listening(old[1]);
        await using PortRegistry registry = await OpenAsync(Guid.NewGuid(), reuse);
        registry.Snapshot().Entries.Should().BeEmpty("every process is dead after a reboot, so every entry has ended");

        // Those whose port is free come first: a brick that lost its own may be given the old one
        // of another.
        for (int i = Bricks - 1; i >= 0; i--)
        {
            ValueTask<PortLease> acquiring = registry.AcquireAsync(Name(i));
            if (reuse == PortReuse.Require && i < 2)
            {
                (await acquiring.RefusalAsync()).ShouldExplain(PortRefusalReason.Foreign, Name(i), old[i], "Prefer or Fresh");
                continue;
            }

            PortLease lease = await acquiring.Within();
            bool keeps = reuse != PortReuse.Fresh && i >= 2;
            (lease.Port == old[i]).Should().Be(keeps, "brick {0} had {1} and is given {2} under {3}", i, old[i], lease.Port, reuse);
            lease.Port.Should().NotBe(old[0]).And.NotBe(old[1], "a stranger listens there");

            // The brick really starts: it listens on what it was given, and is served.
            lease.OpenGate();
            using Socket brick = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            brick.Bind(new IPEndPoint(IPAddress.Any, lease.Port));
            brick.Listen();
            await using PortSession session = registry.OpenSession(Environment.ProcessId);
            await session.RegisterAsync(new PortClaimRequest(Name(i), lease.Port) { Epoch = lease.Epoch }).Within();
            registry.TryGetPort(Name(i), out int port).Should().BeTrue();
            port.Should().Be(lease.Port);
            await session.ReleaseAsync(Name(i)).Within();
        }
    }

    public void Dispose() => _folder.Dispose();

    private static string Name(int brick) => string.Create(CultureInfo.InvariantCulture, $"vol0:/bricks/b{brick}");

    private async Task<int[]> BeforeAsync()
    {
        int[] ports = new int[Bricks];
        using Child brick = Child.Start();
        await using PortRegistry registry = await OpenAsync(Guid.NewGuid(), PortReuse.Fresh);
        PortSession session = registry.OpenSession(brick.Id);
        for (int i = 0; i < Bricks; i++)
        {
            PortLease lease = await registry.AcquireAsync(Name(i)).Within();
            ports[i] = (await session.RegisterAsync(new PortClaimRequest(Name(i), lease.Port) { Epoch = lease.Epoch }).Within()).Port;
        }

        return ports;
    }

    private Task<PortRegistry> OpenAsync(Guid bootId, PortReuse reuse)
    {
        PortRegistryOptions options = new() { Ports = _ports.ToString(), Strategy = PortRegistryOptions.AllocatorPicks, Reuse = reuse, StateFolder = _folder["state"] };
        return PortRegistry.OpenOnAsync(options, store: null, bootId, logger: null, TimeProvider.System, CancellationToken.None).Within();
    }
}
