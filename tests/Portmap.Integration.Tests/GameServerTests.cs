using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>A game server on UDP, in Python: it is told its port and cannot sign in, and the host
/// registers for it by what the kernel shows of its socket.</summary>
public sealed class GameServerTests
{
    private const string Owner = "game/arena";

    [NeedsFact("python3")]
    public async Task Game_RegisteredByTheHost_IsPlayedAndGoneWithItsProcess()
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(8).ToString(), Strategy = PortRegistryOptions.AllocatorPicks, VerifyProcess = true });
        PortLease lease = await registry.AcquireAsync(new PortRequest(Owner) { Protocol = PortProtocol.Udp, Guard = PortGuardMode.StepAside }).Within();
        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);
        await using ChildProcess game = Start(lease);

        PortEntry entry = await lease.RegisterAsync(game.Process).Within();

        (entry.ProcessId, entry.Protocol, entry.Port, entry.State).Should().Be((game.Id, PortProtocol.Udp, lease.Port, PortState.Bound));
        registry.TryGetPort(Owner, out int port, PortProtocol.Udp).Should().BeTrue();
        registry.TryGetPort(Owner, out _).Should().BeFalse("nobody serves TCP");
        using Player ann = new(port), bob = new(port);
        (await ann.SayAsync("join ann")).Should().Be("ann@0");
        (await bob.SayAsync("join bob")).Should().Be("ann@0 bob@0");
        (await ann.HearAsync()).Should().Be("ann@0 bob@0");
        (await bob.SayAsync("move 3")).Should().Be("ann@0 bob@3");

        long revision = registry.Snapshot().Revision;
        game.Kill();
        await registry.ChangeAsync(revision, change => change.Kind == PortChangeKind.Died);
        registry.TryGetPort(Owner, out _, PortProtocol.Udp).Should().BeFalse();
    }

    [NeedsFact("python3")]
    public async Task Game_ThatAStrangerIsFasterThan_IsNamedTheStrangerAndTheNextStartHasAnotherPort()
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(8).ToString(), Strategy = PortRegistryOptions.AllocatorPicks, VerifyProcess = true });
        PortLease lease = await registry.AcquireAsync(new PortRequest(Owner) { Protocol = PortProtocol.Udp }).Within();
        int stolen = lease.Port;
        lease.OpenGate();
        await using ChildProcess stranger = ChildProcess.Start(
            new ProcessStartInfo("python3"), "-c", "import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('',int(sys.argv[1]))); print('bound',flush=True); sys.stdin.readline()", Text(stolen));
        (await stranger.ReadLineAsync()).Should().Be("bound");
        await using ChildProcess first = ChildProcess.Start(new ProcessStartInfo("sleep"), "600");   // the game would end, sooner or later than the look

        Func<Task> register = () => lease.RegisterAsync(first.Process).Within();

        PortRefusal refusal = (await register.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        (refusal.Reason, refusal.HolderProcessId).Should().Be((PortRefusalReason.NotListening, stranger.Id));
        await lease.ReportBindFailureAsync().AsTask().Within();
        lease.Port.Should().NotBe(stolen);
        await using ChildProcess second = Start(lease);
        (await lease.RegisterAsync(second.Process).Within()).ProcessId.Should().Be(second.Id);
    }

    private static ChildProcess Start(PortLease lease)
    {
        ProcessStartInfo start = new("python3");
        lease.PrepareStart(start);
        return ChildProcess.Start(start, Path.Combine(AppContext.BaseDirectory, "Servers", "game.py"), Text(lease.Port));
    }

    private static string Text(int port) => port.ToString(CultureInfo.InvariantCulture);

    private sealed class Player : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);

        public Player(int port) => _socket.Connect(IPAddress.Loopback, port);

        public async Task<string> SayAsync(string words)
        {
            await _socket.SendAsync(Encoding.ASCII.GetBytes(words)).Within();
            return await HearAsync();
        }

        public async Task<string> HearAsync()
        {
            byte[] heard = new byte[512];
            return Encoding.ASCII.GetString(heard, 0, await _socket.ReceiveAsync(heard).Within());
        }

        public void Dispose() => _socket.Dispose();
    }
}
