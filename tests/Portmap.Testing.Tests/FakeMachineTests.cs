using System.Net.Sockets;

namespace Portmap.Testing.Tests;

/// <summary>Processes and sockets behave as those of a host, as far as a registry can
/// tell.</summary>
public sealed class FakeMachineTests
{
    private readonly FakeMachine _machine = new();

    [Fact]
    public void Listen_PortOfAnother_IsInUse()
    {
        FakeProcess first = _machine.StartProcess(), second = _machine.StartProcess();
        first.Listen(20_000);

        second.Invoking(process => process.Listen(20_000)).Should().Throw<SocketException>().Which.SocketErrorCode.Should().Be(SocketError.AddressAlreadyInUse);
        second.Invoking(process => process.Bind(20_000)).Should().Throw<SocketException>();

        second.Listen(20_000, PortProtocol.Udp);
        _machine.HolderOf(20_000).Should().BeSameAs(first);
        _machine.HolderOf(20_000, PortProtocol.Udp).Should().BeSameAs(second);
        first.Ports.Should().Equal((PortProtocol.Tcp, 20_000));
    }

    [Fact]
    public void Listen_BothProtocolsAndOneIsTaken_TakesNone()
    {
        _machine.Occupy(20_000, PortProtocol.Udp);
        FakeProcess process = _machine.StartProcess();

        process.Invoking(it => it.Listen(20_000, PortProtocol.TcpAndUdp)).Should().Throw<SocketException>();

        process.Ports.Should().BeEmpty();
        _machine.HolderOf(20_000).Should().BeNull();
    }

    [Fact]
    public void Close_PortOfAnother_LeavesItThere()
    {
        FakeProcess holder = _machine.Occupy(20_000);

        _machine.StartProcess().Close(20_000);

        _machine.HolderOf(20_000).Should().BeSameAs(holder);
    }

    [Fact]
    public void Bind_ThenListen_IsOneSocket()
    {
        FakeProcess process = _machine.StartProcess();

        process.Bind(20_000);
        process.Listen(20_000);

        process.Ports.Should().Equal((PortProtocol.Tcp, 20_000));
        process.Invoking(it => it.Listen(20_000)).Should().Throw<SocketException>("it listens there already");
        process.Close(20_000);
        process.Ports.Should().BeEmpty();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65_536)]
    public void Listen_NoPort_IsMisuse(int port) => _machine.StartProcess().Invoking(process => process.Listen(port)).Should().Throw<ArgumentOutOfRangeException>();

    [Fact]
    public async Task Kill_ClosesItsSocketsAndIsOver()
    {
        FakeProcess process = _machine.Occupy(20_000, PortProtocol.TcpAndUdp);

        process.Kill();
        process.Kill();

        process.IsAlive.Should().BeFalse();
        await process.WhenExited.Within();
        _machine.Processes.Should().BeEmpty();
        _machine.HolderOf(20_000).Should().BeNull();
        process.Invoking(it => it.Listen(20_000)).Should().Throw<InvalidOperationException>();
        _machine.Occupy(20_000);
    }

    [Fact]
    public void StartProcess_IdOfADeadOne_IsAnotherProcess()
    {
        FakeProcess first = _machine.StartProcess();
        _machine.Invoking(machine => machine.StartProcess(processId: first.Id)).Should().Throw<InvalidOperationException>();
        first.Kill();

        FakeProcess second = _machine.StartProcess(processId: first.Id);

        second.IsAlive.Should().BeTrue();
        first.IsAlive.Should().BeFalse();
        _machine.Invoking(machine => machine.StartProcess(processId: 0)).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void Occupy_PortOfAnother_LeavesNoProcessBehind()
    {
        FakeProcess holder = _machine.Occupy(20_000);

        _machine.Invoking(machine => machine.Occupy(20_000)).Should().Throw<SocketException>();

        _machine.Processes.Should().Equal(holder);
    }

    [Fact]
    public void Reboot_EndsEveryProcess_InAnotherBoot()
    {
        Guid before = _machine.BootId;
        FakeProcess process = _machine.Occupy(20_000);

        _machine.Reboot();

        process.IsAlive.Should().BeFalse();
        _machine.BootId.Should().NotBe(before);
    }
}
