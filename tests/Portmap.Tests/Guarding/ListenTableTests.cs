using System.Net;
using System.Net.Sockets;
using Portmap.Guarding;
using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

public sealed class ListenTableTests
{
    private const string Header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    [Fact]
    public void Read_Files_FindsListenersOfBothFamiliesWithTheirSockets()
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["tcp"], Header
            + "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1120 1 0000000023259 100 0 0 10 0\n"
            + "   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 77 1 0000000023259 100 0 0 10 0\n"
            + "   2: 0100007F:993A 0100007F:EE4E 06 00000000:00000000 03:000004CE 00000000     0        0 0 3 00000000b4aa0273\n");
        File.WriteAllText(folder["tcp6"], Header
            + "   0: 00000000000000000000000000000000:FFFF 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4294967296 1 00000000 100 0 0 10 0\n");

        var table = ListenTable.Read(PortProtocol.Tcp, folder.FullName);

        table.IsComplete.Should().BeTrue();
        Enumerable.Range(1, 65_535).Where(table.Listens).Should().Equal(80, 8080, 65_535);
        table.SocketsOn(8080).Should().Equal(1120);
        table.SocketsOn(65_535).Should().Equal(4_294_967_296);
        table.Listens(80, [77]).Should().BeTrue();
        table.Listens(80, [1120]).Should().BeFalse();
    }

    [Fact]
    public void Read_UdpFiles_FindsBoundAndConnectedSockets()
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["udp"], Header
            + "  10: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5 2 0000 0\n"
            + "  11: 0100007F:0043 0100007F:0044 01 00000000:00000000 00:00000000 00000000     0        0 6 2 0000 0\n");

        var table = ListenTable.Read(PortProtocol.Udp, folder.FullName);

        table.IsComplete.Should().BeTrue("a host without IPv6 has no udp6");
        Enumerable.Range(1, 65_535).Where(table.Listens).Should().Equal(53, 67);
    }

    [Fact]
    public void Read_MoreLinesThanTheBuffer_LosesNone()
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["tcp"], Header + string.Concat(Enumerable.Range(1, 65_535).Select(port =>
            $"{port,4}: 00000000:{port:X4} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 {port + 100_000} 1 00000000 100 0 0 10 0\n")));

        var table = ListenTable.Read(PortProtocol.Tcp, folder.FullName);

        Enumerable.Range(1, 65_535).Should().OnlyContain(port => table.Listens(port));
        table.SocketsOn(40_000).Should().Equal(140_000);
    }

    [Fact]
    public void Read_NoFiles_IsNotComplete()
    {
        using TempFolder folder = new();

        var table = ListenTable.Read(PortProtocol.Tcp, folder.FullName);

        table.IsComplete.Should().BeFalse("nobody could be asked, which is not the same as nobody listens");
        table.Listens(80).Should().BeFalse();
    }

    [Theory]
    [InlineData("")]
    [InlineData("nothing of the kernel's\n")]
    [InlineData("   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1120 1 0 100 0 0 10 0\n")]
    public void Read_SomethingElseLiesOverTheFile_IsNotComplete(string text)
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["tcp"], Header);
        File.WriteAllText(folder["tcp6"], text);

        var table = ListenTable.Read(PortProtocol.Tcp, folder.FullName);

        table.IsComplete.Should().BeFalse("a list of nobody has its header");
        table.WhyIncomplete.Should().Contain(folder["tcp6"]);
    }

    [Theory]
    [InlineData("tcp", "0100007F:C350 0100007F:EE4E 06")]
    [InlineData("tcp6", "0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:EE4E 06")]
    [InlineData("tcp6", "00000000000000000000000001000000:C350 00000000000000000000000001000000:EE4E 01")]
    public void HasConnections_OfEitherFamily_IsTrueForThatPortOnly(string file, string line)
    {
        using TempFolder folder = new();
        File.WriteAllText(folder["tcp"], Header);
        File.WriteAllText(folder["tcp6"], Header);
        File.AppendAllText(folder[file], $"   0: {line} 00000000:00000000 03:000004CE 00000000     0        0 0 3 00000000b4aa0273\n");

        ListenTable.HasConnections(50_000, folder.FullName).Should().BeTrue();
        ListenTable.HasConnections(50_001, folder.FullName).Should().BeFalse();
    }

    [Fact]
    public void HasConnections_ListsThatCannotBeRead_IsTrue()
    {
        using TempFolder folder = new();
        ListenTable.HasConnections(50_000, folder.FullName).Should().BeTrue("there is no list");
        File.WriteAllText(folder["tcp"], Header);
        ListenTable.HasConnections(50_000, folder.FullName).Should().BeFalse("a host without IPv6 has no tcp6");
        File.WriteAllText(folder["tcp6"], "nothing of the kernel's\n");

        ListenTable.HasConnections(50_000, folder.FullName).Should().BeTrue("one of the lists is none");
    }

    [Fact]
    public async Task HasConnections_TimeWaitOnIPv6_IsSeen()
    {
        int port = PortBlock.TakeOne();
        ListenTable.HasConnections(port).Should().BeFalse();
        using (Socket listener = new(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp))
        {
            listener.Bind(new IPEndPoint(IPAddress.IPv6Loopback, port));
            listener.Listen();
            using Socket client = new(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(IPAddress.IPv6Loopback, port).Within();
            using Socket accepted = await listener.AcceptAsync().Within();
            accepted.Shutdown(SocketShutdown.Both);   // who closes first is left in TIME_WAIT
            await client.ReceiveAsync(new byte[1]).Within();
        }

        ListenTable.HasConnections(port).Should().BeTrue();
    }

    [Fact]
    public async Task Read_Kernel_ListsListenersBeforeConnections()
    {
        // The read ends at the first line that is no listener; a kernel that lists them in another
        // order would make it miss some.
        int port = PortBlock.TakeOne();
        using Stranger first = Stranger.Listening(port, IPAddress.Loopback);
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(IPAddress.Loopback, port).Within();
        int later = PortBlock.TakeOne();
        using Stranger second = Stranger.Listening(later, IPAddress.Loopback);

        var table = ListenTable.Read(PortProtocol.Tcp);

        (table.Listens(port), table.Listens(later)).Should().Be((true, true));
        bool wasOther = false;
        foreach (string line in File.ReadLines("/proc/net/tcp").Skip(1))
        {
            bool isListener = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3] == "0A";
            (isListener && wasOther).Should().BeFalse("a listener after a connection: {0}", line);
            wasOther |= !isListener;
        }

        wasOther.Should().BeTrue("there is a connection");
    }
}
