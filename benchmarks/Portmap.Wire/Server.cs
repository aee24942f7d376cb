using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Portmap.Wire;

/// <summary>A server of the Gluster Portmap program as a process of its own, at an address of its
/// own.</summary>
internal sealed class Server : IDisposable
{
    private static readonly TimeSpan s_startLimit = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly DirectoryInfo? _folder;

    private Server(string address, bool isPinned, Process process, DirectoryInfo? folder)
    {
        (Address, IsPinned, _process, _folder) = (address, isPinned, process, folder);
        AwaitListener();
    }

    public bool IsOurs => _folder is null;

    /// <summary>ADDRESS:PORT.</summary>
    public string Address { get; }

    /// <summary>Whether it runs on CPU 0 only; its client does then as well.</summary>
    public bool IsPinned { get; }

    /// <summary>The sample daemon: a real PortmapServer, in memory only.</summary>
    public static Server Portmap(bool isPinned)
    {
        const string Place = "127.78.77.2:24007";
        string program = Path.Combine(AppContext.BaseDirectory, "server", "ManagementDaemon");
        Environment.SetEnvironmentVariable("Portmap__ReconcileInterval", "1.00:00:00"); // nobody listens on the ports of these bricks
        Environment.SetEnvironmentVariable("DOTNET_ROOT", Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..")));
        return new Server(Place, isPinned, Command.Start(isPinned, program, "serve", "--tcp", Place), folder: null);
    }

    /// <summary>A real glusterd with folders of its own, or null where it is not
    /// installed.</summary>
    public static Server? Glusterd(bool isPinned)
    {
        if (!Command.Exists("glusterd"))
        {
            return null;
        }

        DirectoryInfo folder = Directory.CreateTempSubdirectory("portmap-glusterd-");
        string volfile = Path.Combine(folder.FullName, "glusterd.vol");
        folder.CreateSubdirectory("lib");
        folder.CreateSubdirectory("run");
        File.WriteAllText(volfile, string.Create(CultureInfo.InvariantCulture, $"""
            volume management
                type mgmt/glusterd
                option working-directory {folder.FullName}/lib
                option run-directory {folder.FullName}/run
                option glusterd-sockfile {folder.FullName}/glusterd.sock
                option transport-type socket
                option transport.address-family inet
                option transport.socket.bind-address 127.78.77.3
                option transport.socket.listen-port 24007
                option ping-timeout 0
                option event-threads 1
                option max-port 60999
            end-volume

            """));
        Process process = Command.Start(isPinned, "glusterd", "-N", "-f", volfile, "-l", Path.Combine(folder.FullName, "log"), "-p", Path.Combine(folder.FullName, "pid"));
        return new Server("127.78.77.3:24007", isPinned, process, folder);
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
        _folder?.Delete(recursive: true);
    }

    private void AwaitListener()
    {
        string[] parts = Address.Split(':');
        Stopwatch since = Stopwatch.StartNew();
        while (true)
        {
            using Socket probe = new(SocketType.Stream, ProtocolType.Tcp);
            try
            {
                probe.Connect(parts[0], int.Parse(parts[1], CultureInfo.InvariantCulture));
                return;
            }
            catch (SocketException) when (since.Elapsed < s_startLimit && !_process.HasExited)
            {
                Thread.Sleep(50);
            }
        }
    }
}
