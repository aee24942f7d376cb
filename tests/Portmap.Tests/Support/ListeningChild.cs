using System.Globalization;

namespace Portmap.Tests.Support;

/// <summary>A real process that listens on a port with SO_REUSEADDR, as servers do.</summary>
internal static class ListeningChild
{
    private const string Program =
        "import socket,sys,time; s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); "
        + "s.bind(('0.0.0.0',int(sys.argv[1]))); s.listen(); print('listening',flush=True); time.sleep(600)";

    /// <summary>Returns once it listens.</summary>
    public static async Task<Child> StartAsync(int port)
    {
        Child child = Child.Start("python3", "-c", Program, port.ToString(CultureInfo.InvariantCulture));
        (await child.Process.StandardOutput.ReadLineAsync().Within()).Should().Be("listening");
        return child;
    }
}
