using System.Globalization;
using System.Net.Sockets;
using Portmap.Guarding;
using Portmap.Native;
using Portmap.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>Which socket of a program is the one it serves with.</summary>
public sealed class ListenerSearchTests
{
    private readonly PortRange _range = PortBlock.Take(4);

    [NeedsFact("python3")]
    public async Task Find_AnyPortAndTheProgramHasAConnectedSocketOfUdp_IsNotThatOne()
    {
        // A look-up of a name, say, from a port that happens to lie in the range.
        using Child program = await StartAsync("c=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); c.bind(('127.0.0.1',first)); c.connect(('127.0.0.1',9))");
        using Child server = await StartAsync("s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('127.0.0.1',first+1))");

        Find(program, PortProtocol.Udp).Sight.Should().Be(ListenerSight.None);
        Find(server, PortProtocol.Udp).Should().Be(new FoundListener(ListenerSight.Found, _range.First + 1, server.Id));
    }

    [NeedsFact("python3")]
    public async Task Find_AnyPortAndTheProgramListensOnSeveral_IsTheLowestOfTheRange()
    {
        int outside = PortBlock.TakeOne();
        using Child program = await StartAsync($"held=[socket.create_server(('127.0.0.1',port)) for port in (first+2,first+1,first+3,{outside})]");

        Find(program, PortProtocol.Tcp).Should().Be(new FoundListener(ListenerSight.Found, _range.First + 1, program.Id));
    }

    /// <summary>The process that listens was passed over, and one is seen that has its socket as
    /// well.</summary>
    [NeedsFact("python3")]
    public async Task Find_NotAllProcessesCouldBeLookedAt_TakesNobodyForAStranger()
    {
        int port = _range.First;
        using Child program = await StartAsync("pass"), other = await StartAsync("s=socket.create_server(('127.0.0.1',first))");
        bool isShort = true;
        ListenerSearch search = new(new ProcessFamily(ProcessIdentity.Of(program.Id, out _)), Range)
        {
            HoldersOf = (IReadOnlySet<long> sockets, out bool isWhole) =>
            {
                isWhole = !isShort;
                return [(other.Id, [.. sockets])];
            },
        };

        search.Find(PortProtocol.Tcp, port, ListenTable.Read(PortProtocol.Tcp), thorough: false).Should().Be(new FoundListener(ListenerSight.Unseen, port));
        isShort = false;
        search.Find(PortProtocol.Tcp, port, ListenTable.Read(PortProtocol.Tcp), thorough: false).Should().Be(new FoundListener(ListenerSight.Stranger, port, other.Id));
    }

    /// <summary>Between fork and exec a child of the daemon has a copy of each of its descriptors;
    /// here one keeps it.</summary>
    [Theory]
    [InlineData(true, ListenerSight.None)]
    [InlineData(false, ListenerSight.Found)]
    public void FindSibling_AChildOfOursHasASocketOfTheProgram_IsNoSiblingWhereWePassedIt(bool isPassed, object sight)
    {
        using Socket socket = Knock.TryTake(_range.First)!;
        using Child program = Child.Start();
        int copier = Posix.Spawn("/bin/sleep", ["sleep", "600"], [], [socket.SafeHandle]);
        try
        {
            ListenerSearch search = new(new ProcessFamily(ProcessIdentity.Of(program.Id, out _)), Range) { IsPassed = isPassed };
            HashSet<long> sockets = [.. ListenTable.Read(PortProtocol.Tcp).SocketsOn(_range.First)];

            search.FindSibling(PortProtocol.Tcp, _range.First, except: program.Id, sockets).Sight.Should().Be((ListenerSight)sight);
        }
        finally
        {
            Programs.Kill(copier);
            Posix.WaitFor(copier);
        }
    }

    private PortPool Range => PortRegistrySettings.From(new PortRegistryOptions { Ports = _range.ToString() }, KernelPorts.Unknown).Ports;

    private FoundListener Find(Child program, PortProtocol protocol) =>
        new ListenerSearch(new ProcessFamily(ProcessIdentity.Of(program.Id, out _)), Range).Find(protocol, port: 0, ListenTable.Read(protocol), thorough: false);

    private async Task<Child> StartAsync(string opens)
    {
        Child child = Child.Start(
            "python3", "-c", $"import socket,sys,time; first=int(sys.argv[1]); {opens}; print('up',flush=True); time.sleep(600)", _range.First.ToString(CultureInfo.InvariantCulture));
        (await child.Process.StandardOutput.ReadLineAsync().Within()).Should().Be("up");
        return child;
    }
}
