using System.Net.Sockets;
using Portmap.Rpc;

await using WorkerPort port = await WorkerPort.ListenAsync();   // binds, listens, signs in
using Socket client = await port.Socket.AcceptAsync();
await client.SendAsync("hello\n"u8.ToArray());
