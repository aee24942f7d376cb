using System.Net;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>A stranger that comes in at the last moment before an open gate is closed behind its
/// owner's process.</summary>
public sealed class GateClosingTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Theory]
    [InlineData(null, false, PortGuarantee.Exclusive, 1)]
    [InlineData("127.0.0.2", false, PortGuarantee.HeldByProcess, 1)]
    [InlineData("127.0.0.2", true, PortGuarantee.HeldByProcess, 0)]
    [InlineData("::1", false, PortGuarantee.HeldByProcess, 1)]
    [InlineData("::1", true, PortGuarantee.HeldByProcess, 0)]
    public void Register_AStrangerComesInBeforeTheGateIsClosed_IsNotExclusive(string? strangerAt, bool inGroup, PortGuarantee expected, int guards)
    {
        int port = PortBlock.TakeOne();
        using PortRegistry registry = new(new PortRegistryOptions { Ports = $"{port}-{port}", Strategy = PortRegistryOptions.AllocatorPicks, Guard = PortGuardMode.WhileAlive });
        registry.TryAcquire("a", out PortLease? lease, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);
        lease!.OpenGate();
        using Socket worker = Listen("127.0.0.1", port);
        Socket? stranger = null;
        bool isClosing = false;
        Hook.Reached = step =>
        {
            if (step == Step.MoveGate && !isClosing)
            {
                isClosing = true;
                stranger = strangerAt is null ? null : Listen(strangerAt, port, inGroup);
            }
        };

        registry.OpenSession(processId: null).TryRegister(new PortClaimRequest("a", port) { Epoch = lease.Epoch }, out PortEntry entry, out refusal).Should().BeTrue(refusal?.Message);

        Hook.Reached = null;
        using (stranger)
        {
            isClosing.Should().BeTrue();
            entry.Guarantee.Should().Be(expected);
            registry.TryGetEntry("a", out PortEntry after).Should().BeTrue();
            after.Guarantee.Should().Be(expected);
            registry.Guard.Count.Should().Be(guards, "one that a group can join is of no use");
        }
    }

    private static Socket Listen(string address, int port, bool inGroup = false)
    {
        IPAddress at = IPAddress.Parse(address);
        Socket socket = new(at.AddressFamily, SocketType.Stream, ProtocolType.Tcp);   // .NET sets SO_REUSEADDR as it binds
        if (inGroup)
        {
            SocketOptions.SetReusePort(socket);
        }

        socket.Bind(new IPEndPoint(at, port));
        socket.Listen();
        return socket;
    }
}
