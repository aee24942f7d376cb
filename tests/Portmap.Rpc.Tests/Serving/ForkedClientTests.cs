using System.Diagnostics;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>A process that has signed in forks and dies; its child holds the connection, over which
/// the kernel goes on to name the dead one.</summary>
public sealed class ForkedClientTests
{
    private const string Program = """
        import os,socket,sys,time
        where,brick=sys.argv[1],bytes.fromhex(sys.argv[2])
        def connect():
            if where.startswith('/'): s=socket.socket(socket.AF_UNIX); s.connect(where)
            else: s=socket.create_connection(('127.0.0.1',int(where)))
            return s
        def sign_in(s): s.sendall(brick[:-4]+os.getpid().to_bytes(4,'big')); return s.recv(4096)[-8:].hex()
        def say(*words): os.write(1,(' '.join(map(str,words))+'\n').encode())
        s=connect(); outcome=sign_in(s); child=os.fork()
        if child: say(os.getpid(),outcome,child); time.sleep(600)
        else:
            left=s.recv(4096)
            s=connect(); say(os.getpid(),sign_in(s),len(left)); time.sleep(600)
        """;

    [NeedsTheory("python3")]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Death_ChildHoldsTheConnection_IsClosedAndTheChildSignsInAnew(bool isUnix)
    {
        using TempFolder folder = new();
        using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(1).ToString() });
        PortmapServerOptions options = new();
        options.Endpoints.Add(isUnix ? $"unix:{folder["portmap.sock"]}" : "tcp:127.0.0.1:0");
        await using PortmapServer server = new(registry, options);
        await server.StartAsync().Within();
        int port = PortBlock.TakeOne();
        byte[] signIn = Wire.Call(1, Wire.Gluster, 4, [.. Wire.Text("/b/1"), .. Wire.Words((uint)port, 0)]);
        string where = isUnix ? folder["portmap.sock"] : server.Endpoints[0].ToString().Split(':')[^1];
        using Process parent = Process.Start(new ProcessStartInfo("python3", ["-c", Program, where, Convert.ToHexString(signIn)]) { RedirectStandardOutput = true })!;
        string[] first = (await parent.StandardOutput.ReadLineAsync().Within())!.Split(' ');
        using Process child = Process.GetProcessById(int.Parse(first[2], System.Globalization.CultureInfo.InvariantCulture));
        try
        {
            first[1].Should().Be("0000000000000000");
            registry.TryGetEntry("/b/1", out PortEntry entry).Should().BeTrue();
            entry.ProcessId.Should().Be(parent.Id);

            parent.Kill();

            string[] second = (await parent.StandardOutput.ReadLineAsync().Within())!.Split(' ');
            second.Should().Equal(first[2], "0000000000000000", "0");
            registry.TryGetEntry("/b/1", out entry).Should().BeTrue();
            (entry.Port, entry.ProcessId).Should().Be((port, child.Id));
        }
        finally
        {
            child.Kill();
        }
    }
}
