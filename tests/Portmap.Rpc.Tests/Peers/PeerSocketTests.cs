using System.Net;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Tests.Load;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Peers;

/// <summary>What the kernel says of the socket at the other end, asked in both ways.</summary>
public class PeerSocketTests
{
    public static TheoryData<string, string> Ends { get; } = new()
    {
        { "127.0.0.1", "127.0.0.1" },
        { "::1", "::1" },
        { "::", "::1" },
        { "::", "127.0.0.1" },
        { "::", "::ffff:127.0.0.1" },
        { "0.0.0.0", "::ffff:127.0.0.1" },
    };

    [Theory]
    [MemberData(nameof(Ends))]
    public async Task Find_OfAConnection_IsTheOtherEndsSocketAndGoneWhenItIsClosed(string listener, string connectTo)
    {
        (Socket client, Socket accepted, Socket listening) = await ConnectAsync(listener, connectTo);
        using Socket own = accepted, open = listening;
        IPEndPoint there = (IPEndPoint)accepted.RemoteEndPoint!, here = (IPEndPoint)accepted.LocalEndPoint!;
        PeerSocket expected = new(PosixFile.OwnUserId!.Value, ProcessDescriptors.InodeOf(client)!.Value);

        Diagnosed(there, here).Should().Be(expected);
        Listed(there, here).Should().Be(expected);
        Diagnosed(here, there).Should().Be(expected with { Inode = ProcessDescriptors.InodeOf(accepted)!.Value }, "each end has its own");
        client.Shutdown(SocketShutdown.Send);
        Diagnosed(there, here).Should().Be(expected, "it only says no more");
        client.Dispose();

        // The kernel keeps such a socket until our end is closed, without an inode, and says that
        // it is root's. A process that some other test has just forked may have it for a moment.
        using CancellationTokenSource limit = Deadline.Source();
        while (Diagnosed(there, here) is not null)
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        Listed(there, here).Should().BeNull();
    }

    [Theory]
    [MemberData(nameof(Ends))]
    public async Task Find_OfEndsThatWereNeverConnected_IsNothingThoughTheListenerIsThere(string listener, string connectTo)
    {
        (Socket client, Socket accepted, Socket listening) = await ConnectAsync(listener, connectTo);
        using Socket one = client, other = accepted, open = listening;
        IPEndPoint there = (IPEndPoint)accepted.RemoteEndPoint!, here = (IPEndPoint)accepted.LocalEndPoint!;

        Diagnosed(here, new IPEndPoint(there.Address, 1)).Should().BeNull();
        Listed(here, new IPEndPoint(there.Address, 1)).Should().BeNull();
    }

    [Fact]
    public void Holds_ProcessOfAnotherUserThanTheSocket_IsFalse()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        IPEndPoint nowhere = new(IPAddress.Loopback, 1);
        PeerSocket own = new(PosixFile.OwnUserId!.Value, ProcessDescriptors.InodeOf(socket)!.Value);
        PeerSight sight = new PeerSight.OverTcp(nowhere, nowhere);

        sight.Holds(Environment.ProcessId, own).Should().BeTrue();
        sight.Holds(Environment.ProcessId, own with { UserId = own.UserId + 4_001 }).Should().BeFalse("another user passed its socket to this process");
    }

    [Fact]
    public void Find_WhereTheListsCannotBeRead_SaysSo() =>
        TcpTable.TryFind(new IPEndPoint(IPAddress.Loopback, 1), new IPEndPoint(IPAddress.Loopback, 2), out _, folder: "/nowhere").Should().BeFalse();

    [Fact]
    public async Task FindUnixPeer_OfAConnection_IsTheOtherEndsSocketAndZeroWhenItIsClosed()
    {
        using TempFolder folder = new();
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(folder["s"]));
        listener.Listen();
        Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(new UnixDomainSocketEndPoint(folder["s"])).Within();
        using Socket accepted = await listener.AcceptAsync().Within();
        long own = ProcessDescriptors.InodeOf(accepted)!.Value;

        SocketDiagnosis.TryFindUnixPeer(own, out long peer).Should().BeTrue();
        peer.Should().Be(ProcessDescriptors.InodeOf(client));
        ProcessDescriptors.Has(Environment.ProcessId, peer).Should().BeTrue();
        ProcessDescriptors.Has(1, peer).Should().BeFalse();
        ProcessDescriptors.Has(Environment.ProcessId, long.MaxValue).Should().BeFalse("it has sockets, and not that one");
        client.Dispose();

        // Here too, a process that was forked just now may have it for a moment.
        using CancellationTokenSource limit = Deadline.Source();
        while (SocketDiagnosis.TryFindUnixPeer(own, out peer) && peer != 0)
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        peer.Should().Be(0);
    }

    [OwnNetworkFact]
    public async Task Register_InANetworkOfItsOwn_IsOfTheProcessThatConnected()
    {
        await using ChildProcess program = OwnNetwork.Start(LoadProgram.Speak);
        IReadOnlyList<string> lines = await program.ReadToEndAsync(Deadline.Default);
        (await program.ExitAsync()).Should().Be(0, "{0}", program.Errors);
        lines.Should().Equal("127.0.0.1 own", "127.0.0.1 unknown", "::1 own", "::1 unknown");
    }

    private static PeerSocket? Diagnosed(IPEndPoint local, IPEndPoint remote)
    {
        SocketDiagnosis.TryFindTcp(local, remote, out PeerSocket? socket).Should().BeTrue();
        return socket;
    }

    private static PeerSocket? Listed(IPEndPoint local, IPEndPoint remote)
    {
        TcpTable.TryFind(local, remote, out PeerSocket? socket).Should().BeTrue();
        return socket;
    }

    private static async Task<(Socket Client, Socket Accepted, Socket Listener)> ConnectAsync(string listenOn, string connectTo)
    {
        IPAddress address = IPAddress.Parse(listenOn), to = IPAddress.Parse(connectTo);
        Socket listener = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            listener.DualMode = address.Equals(IPAddress.IPv6Any);
        }

        listener.Bind(new IPEndPoint(address, 0));
        listener.Listen();
        Socket client = new(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        if (to.IsIPv4MappedToIPv6)
        {
            client.DualMode = true;
        }

        await client.ConnectAsync(to, ((IPEndPoint)listener.LocalEndPoint!).Port).Within();
        return (client, await listener.AcceptAsync().Within(), listener);
    }
}
