namespace Portmap.Rpc.Peers;

/// <summary>The socket at the other end of a connection, on this host.</summary>
/// <param name="UserId">The user that made it.</param>
/// <param name="Inode">Its number, which /proc/pid/fd shows for each process that has it.</param>
internal readonly record struct PeerSocket(uint UserId, long Inode);
