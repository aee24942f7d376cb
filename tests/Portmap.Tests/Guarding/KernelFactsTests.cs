using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Portmap.Guarding;
using Portmap.Native;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>What the guard leans on, asked of the kernel that the tests run on, each with the
/// control that shows the question can be answered otherwise.</summary>
[Collection(AloneCollection.Name)]
public sealed class KernelFactsTests
{
    [Fact]
    public void Placeholder_BindToPort0_AvoidsIt()
    {
        int port = EphemeralPort();
        using (Socket placeholder = Placeholder(port))
        {
            Chosen(port).Should().Be(0, "it is the only port the kernel may choose from, and it is held");
        }

        SpinWait.SpinUntil(() => Chosen(port) == port, Deadline.Default).Should().BeTrue("without the placeholder the kernel chooses it");
    }

    [Fact]
    public void Placeholder_GateOpen_BindToPort0AvoidsItAllTheSame()
    {
        int port = EphemeralPort();
        using Socket placeholder = Placeholder(port);
        Knock.SetReuse(placeholder, true);

        Chosen(port).Should().Be(0);
    }

    [Fact]
    public void Placeholder_Connect_AvoidsItAsSource()
    {
        using Socket server = Knock.TryTake(PortBlock.TakeOne(), IPAddress.Loopback)!;
        int port = EphemeralPort();
        using (Socket placeholder = Placeholder(port))
        {
            SourceOf(port, server).Should().Be(0);
            Knock.SetReuse(placeholder, true);
            SourceOf(port, server).Should().Be(0, "an open gate lets no connection in");
        }

        SpinWait.SpinUntil(() => SourceOf(port, server) == port, Deadline.Default).Should().BeTrue("without the placeholder the kernel takes it");
    }

    [Fact]
    public void TwoReuseBindsOfOneTcpPort_BothSucceedUntilOneListens()
    {
        int port = PortBlock.TakeOne();
        using Socket? first = Knock.TryTake(port, listen: false), second = Knock.TryTake(port, listen: false);
        (first, second).Should().NotBe((null, null));
        first!.Listen();

        Action listen = second!.Listen;

        listen.Should().Throw<SocketException>().Which.SocketErrorCode.Should().Be(SocketError.AddressAlreadyInUse);
    }

    [Fact]
    public void GateClosedBetweenBindAndListen_TheWorkersListenFails()
    {
        // Why the gate closes after the registration, which comes after Listen, and never before.
        int port = PortBlock.TakeOne();
        using Socket placeholder = Placeholder(port);
        Knock.SetReuse(placeholder, true);
        using Socket worker = Knock.TryTake(port, listen: false)!;
        Knock.SetReuse(placeholder, false);

        Action listen = worker.Listen;

        listen.Should().Throw<SocketException>().Which.SocketErrorCode.Should().Be(SocketError.AddressAlreadyInUse);
        Knock.SetReuse(placeholder, true);
        worker.Listen();
    }

    [Fact]
    public void StrictUdpPlaceholder_RefusesEverybody_AndTwoReuseSocketsBothBind()
    {
        // Why a UDP placeholder steps aside: it keeps the worker out as well, and with SO_REUSEADDR
        // nothing tells the owner from a thief.
        int port = PortBlock.TakeOne();
        using (Socket placeholder = Knock.TryTake(port, reuse: false, type: SocketType.Dgram)!)
        {
            Knock.GetsIn(port, reuse: true, type: SocketType.Dgram).Should().BeFalse();
            Knock.GetsIn(port, reuse: false, type: SocketType.Dgram).Should().BeFalse();
        }

        SpinWait.SpinUntil(() => Knock.GetsIn(port, reuse: true, type: SocketType.Dgram), Deadline.Default).Should().BeTrue();
        using Socket? owner = Knock.TryTake(port, reuse: true, type: SocketType.Dgram), thief = Knock.TryTake(port, reuse: true, type: SocketType.Dgram);
        (owner is not null && thief is not null).Should().BeTrue();
    }

    /// <summary>As of a kernel that was built without udp_diag.</summary>
    [Theory]
    [InlineData(132)]
    [InlineData(33)]
    [InlineData(17)]
    public void SockDiag_ProtocolTheKernelHasNoHandlerFor_SaysSoInTheEndOfTheList(byte protocol)
    {
        byte[] message = new byte[SockDiag.HeaderSize + SockDiag.InetRequestSize], received = new byte[32_768];
        (message[SockDiag.HeaderSize], message[SockDiag.HeaderSize + 1]) = (SockDiag.Ipv4, protocol);
        using SafeFileHandle socket = Posix.OpenSockDiag()!;
        SockDiag.TryAsk(socket, message, forAll: true).Should().BeTrue();   // no state is asked for: the list is empty

        ReadOnlySpan<byte> answer = received.AsSpan(0, Posix.Receive(socket, received, wait: true));
        SockDiag.Kind kind = SockDiag.Next(ref answer, out ReadOnlySpan<byte> body);

        kind.Should().Be(protocol == SockDiag.Udp ? SockDiag.Kind.Done : SockDiag.Kind.Error);
        if (kind == SockDiag.Kind.Error)
        {
            SockDiag.ErrorIn(body).Should().Be(Errno.NoEntry);
        }
    }

    [Theory]
    [InlineData(3, 0, SockDiag.Kind.Done)]
    [InlineData(3, -2, SockDiag.Kind.Error)]
    [InlineData(3, null, SockDiag.Kind.Done)]
    [InlineData(2, -97, SockDiag.Kind.Error)]
    [InlineData(2, null, SockDiag.Kind.Other)]
    public void SockDiag_LastMessage_IsAnErrorWhereItBearsOne(ushort type, int? error, object kind)
    {
        byte[] message = new byte[SockDiag.HeaderSize + (error is null ? 0 : sizeof(int))];
        BitConverter.TryWriteBytes(message, message.Length);
        BitConverter.TryWriteBytes(message.AsSpan(4), type);
        BitConverter.TryWriteBytes(message.AsSpan(SockDiag.HeaderSize), error ?? 0);
        ReadOnlySpan<byte> received = message;

        SockDiag.Next(ref received, out _).Should().Be((SockDiag.Kind)kind);

        received.Length.Should().Be(0);
    }

    /// <summary>A strict, silent socket on every address.</summary>
    private static Socket Placeholder(int port)
    {
        BoundSocket.TryMake(PortProtocol.Tcp, port, isStrict: true, out BoundSocket? socket).Should().Be(SocketError.Success);
        return socket!.AsSocket();
    }

    /// <summary>A port of the kernel's own range that nobody has.</summary>
    private static int EphemeralPort()
    {
        using Socket socket = Placeholder(0);
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>What the kernel chooses for bind to port 0 when it may choose from one port only; 0
    /// when it finds none.</summary>
    private static int Chosen(int port)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
        Knock.NarrowTo(socket, port);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Any, 0));
            return ((IPEndPoint)socket.LocalEndPoint!).Port;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return 0;
        }
    }

    /// <summary>The port an outgoing connection leaves from when the kernel may choose from one
    /// only; 0 when it finds none.</summary>
    private static int SourceOf(int port, Socket server)
    {
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) };
        Knock.NarrowTo(client, port);
        try
        {
            client.Connect(server.LocalEndPoint!);
            return ((IPEndPoint)client.LocalEndPoint!).Port;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressNotAvailable)
        {
            return 0;
        }
    }
}
